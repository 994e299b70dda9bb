"""The simulated API server as one aiohttp application: what a follower of logs needs, answered as a real one does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

from watcher.simulator.access import Access
from watcher.simulator.cluster import Cluster
from watcher.simulator.faults import Faults
from watcher.simulator.log_api import LogApi
from watcher.simulator.manifests import deployment_manifest, pod_manifest, replica_set_manifest
from watcher.simulator.objects import Owner
from watcher.simulator.selectors import filters
from watcher.simulator.status import Action, Refusal, not_found
from watcher.simulator.watch_api import watch_pods

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn a ``Refusal`` into its answer."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return refusal.response()


class KubeApi:
    """Serves one ``Cluster``. Everything needs the token; what ``access`` does not grant is answered 403."""

    def __init__(self, cluster: Cluster, access: Access, faults: Faults | None = None) -> None:
        self._cluster = cluster
        self._access = access
        self._logs = LogApi(cluster, faults or Faults())

    def application(self) -> web.Application:
        """The application, to be served on a socket."""
        app = web.Application(middlewares=[refusals])
        core, apps = "/api/v1/namespaces/{namespace}", "/apis/apps/v1/namespaces/{namespace}"
        reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        app.router.add_get("/version", self._version, allow_head=False)
        for path, handler in (
            (f"{apps}/deployments", self._list_deployments),
            (f"{apps}/deployments/{{name}}", self._get_deployment),
            (f"{apps}/replicasets", self._list_replica_sets),
            (f"{apps}/replicasets/{{name}}", self._get_replica_set),
            (f"{core}/pods", self._list_pods),
            (f"{core}/pods/{{name}}", self._get_pod),
            (f"{core}/pods/{{name}}/log", self._get_log),
        ):
            app.router.add_get(path, handler, allow_head=False)
        app.router.add_post(reviews, self._review)
        app.router.add_route("*", "/{rest:.*}", self._unknown)
        return app

    def _enter(self, request: web.Request, group: str, resource: str, verb: str) -> str:
        """Check token and rules; the name in the path, empty for a list."""
        self._access.authenticate(request.headers.get("Authorization"))
        name = request.match_info.get("name")
        self._access.authorize(Action(group, resource, verb, request.match_info["namespace"], name))
        return name or ""

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"major": "1", "minor": "36", "gitVersion": "v1.36.2"})

    async def _unknown(self, request: web.Request) -> web.Response:
        self._access.authenticate(request.headers.get("Authorization"))
        if request.method == "HEAD":
            return web.Response(status=405)
        raise Refusal(404, "the server could not find the requested resource", {})

    async def _review(self, request: web.Request) -> web.Response:
        """``SelfSubjectAccessReview``: what may I do?"""
        self._access.authenticate(request.headers.get("Authorization"))
        review = await request.json()
        asked = review["spec"].get("resourceAttributes", {})
        resource = "/".join(filter(None, (asked.get("resource", ""), asked.get("subresource", ""))))
        group, verb, namespace = (asked.get(field, "") for field in ("group", "verb", "namespace"))
        allowed = self._access.allows(Action(group, resource, verb, namespace, asked.get("name") or None))
        return web.json_response(review | {"status": {"allowed": allowed}}, status=201)

    # ---- apps -------------------------------------------------------------------------------------------------------

    def _deployment_owner(self) -> Owner:
        return Owner("Deployment", self._cluster.deployment, self._cluster.deployment_uid)

    def _deployments(self, namespace: str) -> list[dict[str, Any]]:
        cluster = self._cluster
        if namespace != cluster.namespace:
            return []
        ready = sum(all(one.ready for one in pod.containers.values()) for pod in cluster.own_pods())
        return [deployment_manifest(self._deployment_owner(), namespace, cluster.labels, cluster.replicas, ready)]

    def _replica_sets(self, namespace: str) -> list[dict[str, Any]]:
        cluster = self._cluster
        if namespace != cluster.namespace:
            return []
        owner = self._deployment_owner()
        return [replica_set_manifest(one, namespace, cluster.labels, owner) for one in cluster.replica_sets]

    async def _get_deployment(self, request: web.Request) -> web.Response:
        name = self._enter(request, "apps", "deployments", "get")
        return self._one(self._deployments(request.match_info["namespace"]), "apps", "deployments", name)

    async def _list_deployments(self, request: web.Request) -> web.Response:
        self._enter(request, "apps", "deployments", "list")
        return self._list(request, "DeploymentList", "apps/v1", self._deployments(request.match_info["namespace"]))

    async def _get_replica_set(self, request: web.Request) -> web.Response:
        name = self._enter(request, "apps", "replicasets", "get")
        return self._one(self._replica_sets(request.match_info["namespace"]), "apps", "replicasets", name)

    async def _list_replica_sets(self, request: web.Request) -> web.Response:
        self._enter(request, "apps", "replicasets", "list")
        return self._list(request, "ReplicaSetList", "apps/v1", self._replica_sets(request.match_info["namespace"]))

    # ---- pods -------------------------------------------------------------------------------------------------------

    def _pods(self, namespace: str) -> list[dict[str, Any]]:
        if namespace != self._cluster.namespace:
            return []
        return [pod_manifest(pod, namespace) for pod in self._cluster.pods.values()]

    async def _get_pod(self, request: web.Request) -> web.Response:
        name = self._enter(request, "", "pods", "get")
        return self._one(self._pods(request.match_info["namespace"]), "", "pods", name)

    async def _list_pods(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch", "false") in {"true", "1"}:
            self._enter(request, "", "pods", "watch")
            return await watch_pods(request, self._cluster)
        self._enter(request, "", "pods", "list")
        return self._list(request, "PodList", "v1", self._pods(request.match_info["namespace"]))

    async def _get_log(self, request: web.Request) -> web.StreamResponse:
        name = self._enter(request, "", "pods/log", "get")
        if request.match_info["namespace"] != self._cluster.namespace:
            raise not_found("", "pods", name)
        return await self._logs.answer(request, name)

    # ---- answers ----------------------------------------------------------------------------------------------------

    def _one(self, manifests: Iterable[dict[str, Any]], group: str, resource: str, name: str) -> web.Response:
        for manifest in manifests:
            if manifest["metadata"]["name"] == name:
                return web.json_response(manifest)
        raise not_found(group, resource, name)

    def _list(self, request: web.Request, kind: str, version: str, manifests: Iterable[dict[str, Any]]) -> web.Response:
        wanted = filters(request.query)
        items = [
            {key: value for key, value in one.items() if key not in {"kind", "apiVersion"}}
            for one in manifests
            if wanted(one)
        ]
        metadata = {"resourceVersion": str(self._cluster.version)}
        return web.json_response({"kind": kind, "apiVersion": version, "metadata": metadata, "items": items})
