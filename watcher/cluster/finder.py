"""From a deployment to the one pod whose log is followed."""

from __future__ import annotations

from typing import Any, Final

from watcher.cluster.api import NOT_FOUND, Api, Trouble
from watcher.cluster.pods import Pod, container_names, read_pod

_CANNOT_TELL: Final = frozenset({403, NOT_FOUND, 405, 501})  # a narrow role, or a small server


class Finder:
    """Finds the pods of one deployment and looks at them."""

    def __init__(self, api: Api, namespace: str, deployment: str, container: str) -> None:
        self._api = api
        self._namespace = namespace
        self._deployment = deployment
        self._container = container
        self._owner_of: dict[str, bool] = {}  # ReplicaSet UID → is it of our deployment

    async def get(self, name: str) -> Pod | None:
        """The pod as it is now; None when the API does not know it. Raises Trouble."""
        try:
            raw = await self._api.get(f"/api/v1/namespaces/{self._namespace}/pods/{name}")
        except Trouble as trouble:
            if trouble.status == NOT_FOUND:
                return None
            raise
        return self._read(raw)

    async def find(self, followed: str | None = None) -> Pod | None:
        """The pod to follow: the one already ``followed`` (a UID) while it lasts, else the newest that runs.

        None when the deployment has no pod, raises Trouble when that cannot be known.
        """
        path = f"/apis/apps/v1/namespaces/{self._namespace}/deployments/{self._deployment}"
        deployment = await self._api.get(path)
        selector = (deployment.get("spec") or {}).get("selector") or {}
        pods = []
        for raw in await self._list(spell_selector(selector)):
            labels = (raw.get("metadata") or {}).get("labels") or {}
            if selects(selector, labels) and await self._is_ours(raw, deployment):
                pods.append(self._read(raw))
        return max(pods, key=lambda pod: _rank(pod, followed), default=None)

    async def _list(self, labels: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        rest = ""
        while True:
            query = [("limit", "500")] + [(n, v) for n, v in (("labelSelector", labels), ("continue", rest)) if v]
            page = await self._api.get(f"/api/v1/namespaces/{self._namespace}/pods", query)
            found += page.get("items") or []
            rest = str((page.get("metadata") or {}).get("continue") or "")
            if not rest:
                return found

    async def _is_ours(self, pod: dict[str, Any], deployment: dict[str, Any]) -> bool:
        """By the chain of owners; labels alone can be another deployment's too."""
        owner = _controller(pod)
        if owner is None:
            return True
        wanted = (deployment.get("metadata") or {}).get("uid")
        if owner.get("kind") != "ReplicaSet":
            return wanted is not None and owner.get("uid") == wanted
        known = self._owner_of.get(str(owner.get("uid")))
        if known is None:
            known = self._owner_of[str(owner.get("uid"))] = await self._owns(wanted, owner)
        return known

    async def _owns(self, wanted: str | None, owner: dict[str, Any]) -> bool:
        name = str(owner.get("name") or "")
        try:
            replica_set = await self._api.get(f"/apis/apps/v1/namespaces/{self._namespace}/replicasets/{name}")
        except Trouble as trouble:
            if trouble.status not in _CANNOT_TELL:
                raise
            return name.startswith(f"{self._deployment}-")
        above = _controller(replica_set)
        if above is None or wanted is None:
            return name.startswith(f"{self._deployment}-")
        return bool(above.get("uid") == wanted)

    def _read(self, raw: dict[str, Any]) -> Pod:
        pod = read_pod(raw, self._container)
        names = container_names(raw)
        if names and self._container not in names:
            known = ", ".join(names)
            raise Trouble(f"pod {pod.name} has no container {self._container!r} (it has {known}); see logs.container")
        return pod


def _rank(pod: Pod, followed: str | None) -> tuple[bool, bool, bool, str, str]:
    return (pod.lasts, pod.lasts and pod.uid == followed, pod.running, pod.created, pod.name)


def _controller(raw: dict[str, Any]) -> dict[str, Any] | None:
    owners = (raw.get("metadata") or {}).get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller", True)), None)


def spell_selector(selector: dict[str, Any]) -> str:
    """A ``spec.selector`` as the API's ``labelSelector`` parameter."""
    terms = [f"{key}={value}" for key, value in (selector.get("matchLabels") or {}).items()]
    for rule in selector.get("matchExpressions") or ():
        key, values = rule.get("key"), ",".join(rule.get("values") or ())
        match rule.get("operator"):
            case "In":
                terms.append(f"{key} in ({values})")
            case "NotIn":
                terms.append(f"{key} notin ({values})")
            case "Exists":
                terms.append(f"{key}")
            case "DoesNotExist":
                terms.append(f"!{key}")
            case _:
                pass  # an operator of a later version: checked by the owners
    return ",".join(terms)


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a ``spec.selector`` takes these labels: not every server filters."""
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    return all(_fits(rule, labels) for rule in selector.get("matchExpressions") or ())


def _fits(rule: dict[str, Any], labels: dict[str, str]) -> bool:
    key, values = rule.get("key", ""), rule.get("values") or ()
    match rule.get("operator"):
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
        case "DoesNotExist":
            return key not in labels
        case _:
            return True
