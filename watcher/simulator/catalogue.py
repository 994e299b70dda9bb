"""The objects of the simulated cluster as its API shows them, whatever carries the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from watcher.simulator.cluster import Cluster
from watcher.simulator.manifests import deployment_manifest, pod_manifest, replica_set_manifest
from watcher.simulator.objects import Owner
from watcher.simulator.selectors import filters
from watcher.simulator.status import not_found

_KINDS = {"deployments": ("apps", "Deployment"), "replicasets": ("apps", "ReplicaSet"), "pods": ("", "Pod")}


class Catalogue:
    """Reads one ``Cluster``. ``resource``: deployments, replicasets or pods. ``pods`` shows other ones."""

    def __init__(self, cluster: Cluster, pods: Callable[[], Iterable[dict[str, Any]]] | None = None) -> None:
        self._cluster = cluster
        self._pods = pods or self._pods_now

    def one(self, resource: str, namespace: str, name: str) -> dict[str, Any]:
        """The object of this name. Raises a 404 ``Refusal``."""
        for manifest in self._manifests(resource, namespace):
            if manifest["metadata"]["name"] == name:
                return manifest
        raise not_found(_KINDS[resource][0], resource, name)

    def listed(self, resource: str, namespace: str, query: Mapping[str, str]) -> dict[str, Any]:
        """A list of the objects that the selectors in ``query`` let through. Raises a 400 ``Refusal``."""
        group, kind = _KINDS[resource]
        wanted = filters(query)
        items = [
            {key: value for key, value in one.items() if key not in {"kind", "apiVersion"}}
            for one in self._manifests(resource, namespace)
            if wanted(one)
        ]
        metadata = {"resourceVersion": str(self._cluster.version)}
        version = f"{group}/v1" if group else "v1"
        return {"kind": f"{kind}List", "apiVersion": version, "metadata": metadata, "items": items}

    def _manifests(self, resource: str, namespace: str) -> Iterable[dict[str, Any]]:
        cluster = self._cluster
        if namespace != cluster.namespace:
            return []
        if resource == "pods":
            return self._pods()
        owner = Owner("Deployment", cluster.deployment, cluster.deployment_uid)
        if resource == "replicasets":
            return (replica_set_manifest(one, namespace, cluster.labels, owner) for one in cluster.replica_sets)
        ready = sum(all(one.ready for one in pod.containers.values()) for pod in cluster.own_pods())
        return [deployment_manifest(owner, namespace, cluster.labels, cluster.replicas, ready)]

    def _pods_now(self) -> Iterable[dict[str, Any]]:
        return (pod_manifest(pod, self._cluster.namespace) for pod in self._cluster.pods.values())
