"""The simulated API server as one aiohttp application: what a follower of logs needs, answered as a real one does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from watcher.simulator.access import Access
from watcher.simulator.catalogue import Catalogue
from watcher.simulator.cluster import Cluster
from watcher.simulator.faults import Faults
from watcher.simulator.log_api import LogApi
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
        self._catalogue = Catalogue(cluster)
        self._logs = LogApi(cluster, faults or Faults())

    def application(self) -> web.Application:
        """The application, to be served on a socket."""
        app = web.Application(middlewares=[refusals])
        core, apps = "/api/v1/namespaces/{namespace}", "/apis/apps/v1/namespaces/{namespace}"
        reviews = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        app.router.add_get("/version", self._version, allow_head=False)
        for prefix, group, resource in (
            (apps, "apps", "deployments"),
            (apps, "apps", "replicasets"),
            (core, "", "pods"),
        ):
            app.router.add_get(f"{prefix}/{resource}", self._lister(group, resource), allow_head=False)
            app.router.add_get(f"{prefix}/{resource}/{{name}}", self._getter(group, resource), allow_head=False)
        app.router.add_get(f"{core}/pods/{{name}}/log", self._get_log, allow_head=False)
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

    # ---- objects ----------------------------------------------------------------------------------------------------

    def _getter(self, group: str, resource: str) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            name = self._enter(request, group, resource, "get")
            return web.json_response(self._catalogue.one(resource, request.match_info["namespace"], name))

        return answer

    def _lister(self, group: str, resource: str) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            if resource == "pods" and request.query.get("watch", "false") in {"true", "1"}:
                self._enter(request, group, resource, "watch")
                return await watch_pods(request, self._cluster)
            self._enter(request, group, resource, "list")
            return web.json_response(self._catalogue.listed(resource, request.match_info["namespace"], request.query))

        return answer

    async def _get_log(self, request: web.Request) -> web.StreamResponse:
        name = self._enter(request, "", "pods/log", "get")
        if request.match_info["namespace"] != self._cluster.namespace:
            raise not_found("", "pods", name)
        return await self._logs.answer(request, name)
