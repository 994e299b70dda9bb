"""The endpoints of the simulated Kubecost as one aiohttp application: behind the frontend (``/model``) and directly."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import partial

from aiohttp import web

from watcher.core.window import Window
from watcher.simulator.faults import Answer, Faults
from watcher.simulator.kubecost import Kubecost
from watcher.simulator.log_api import wrong_answer
from watcher.simulator.phrases import span

PATHS = {
    "/etl/asset/repair": "asset",
    "/etl/allocation/repair": "allocation",
    "/etl/cloudUsage/repair": "cloudUsage",
    "/etl/asset/reconciliation/repair": "reconciliation",
    "/cloudCost/repair": "cloudCost",
}
_MOMENT = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"
_WINDOW = re.compile(f"{_MOMENT},{_MOMENT}")
_GATEWAY_PAGE = "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>nginx</body>\r\n</html>\r\n"


class RepairApi:
    """Takes requests and answers as documented: at once, and only that the repair was accepted."""

    def __init__(self, kubecost: Kubecost, faults: Faults | None = None) -> None:
        self._kubecost = kubecost
        self._installation = kubecost.installation
        self._faults = faults or Faults()

    def application(self) -> web.Application:
        """The application, to be served on a socket."""
        app = web.Application()
        for prefix in ("", "/model"):
            for path in PATHS:
                app.router.add_get(prefix + path, self._repair, allow_head=False)
            for rebuild in (
                r"/etl/{store}/rebuild",
                "/cloudCost/rebuild",
                r"/etl/asset/reconciliation/{word:run|rerun}",
            ):
                app.router.add_get(prefix + rebuild, self._rebuild, allow_head=False)
        app.router.add_get("/healthz", self._health)
        app.router.add_route("*", "/{rest:.*}", self._unknown)
        return app

    async def _health(self, _: web.Request) -> web.Response:
        return web.Response(status=200 if self._kubecost.ready else 503)

    async def _unknown(self, _: web.Request) -> web.Response:
        return web.Response(status=404, text="404 page not found\n")

    async def _rebuild(self, request: web.Request) -> web.Response:
        """The destructive sisters of the repairs: nothing is done, but that somebody asked is held against him."""
        committed = request.query.get("commit") == "true"
        self._note(request, None, None, 501 if committed else 200)
        if committed:
            return _envelope(501, None, "a rebuild wipes the whole store, and is not simulated")
        return _envelope(200, "Pass parameter 'commit=true' to confirm")

    async def _repair(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/model")
        stage = PATHS[path]
        window = _window(request.query.get("window", ""))
        if stage not in self._installation.dialect.stages:
            self._note(request, stage, window, 404)
            return await self._unknown(request)
        if not self._kubecost.ready:
            self._note(request, stage, window, 502)
            return await self._nobody_there(request)
        if fault := self._faults.next_repair_answer():
            return await self._answer_wrongly(request, stage, window, fault)
        if window is None:
            self._note(request, stage, None, 400)
            return await _illegal_window(request, stage)
        key = request.query.get("integrationKey" if stage == "cloudCost" else "provider", "")
        if key and key not in self._installation.scenario.providers:
            self._note(request, stage, window, 400)
            return web.Response(status=400, text=f"Invalid parameter: no integration with key {key}\n")
        self._take(request, stage, window, 200)
        return _envelope(200, accepted_text(stage, window, key))

    async def _nobody_there(self, request: web.Request) -> web.StreamResponse:
        """The frontend answers for a process that is not there; without it nobody does."""
        if request.path.startswith("/model/"):
            return web.Response(status=502, text=_GATEWAY_PAGE, content_type="text/html")
        return await wrong_answer(request, Answer(drop=True))

    async def _answer_wrongly(
        self, request: web.Request, stage: str, window: Window | None, fault: Answer
    ) -> web.StreamResponse:
        if fault.carried_out and window is not None:
            self._take(request, stage, window, fault.status)
        else:
            self._note(request, stage, window, fault.status)
        return await wrong_answer(request, fault)

    def _take(self, request: web.Request, stage: str, window: Window, status: int) -> None:
        key = request.query.get("integrationKey" if stage == "cloudCost" else "provider", "")
        number = self._note(request, stage, window, status, accepted=True)
        self._kubecost.take(stage, window, number, (key,) if key else ())

    def _note(
        self, request: web.Request, stage: str | None, window: Window | None, status: int, *, accepted: bool = False
    ) -> int:
        """Enter the request in the ledger; its number."""
        return self._installation.ledger.receive(
            at=self._installation.now(),
            stage=stage,
            window=window,
            target=request.path_qs,
            life=self._kubecost.life,
            accepted=accepted,
            status=status,
        ).number


def _window(text: str) -> Window | None:
    """The window of a pair of RFC 3339 times in UTC; None for everything else."""
    match = _WINDOW.fullmatch(text)
    if match is None:
        return None
    try:
        start, end = (datetime.strptime(one, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) for one in match.groups())
    except ValueError:
        return None
    return Window(start, end) if start < end else None


def accepted_text(stage: str, window: Window, key: str = "") -> str:
    """What Kubecost answers when it has taken on a repair; ``key`` where it was asked for one provider."""
    whose = f"provider {key}" if key else "all providers"
    match stage:
        case "asset":
            return "Repairing Asset ETL"
        case "allocation":
            return "Repairing Allocation ETL"
        case "cloudUsage":
            return f"Cloud Usage Repair process has begun for {span(window)} for {whose}"
        case "reconciliation":
            return f"Reconciliation Repair process has begun for {span(window)} for {whose}"
        case _:
            return "Rebuilding Cloud Usage For " + (f"Provider {key}" if key else "All Providers")


def _envelope(code: int, text: str | None, message: str | None = None) -> web.Response:
    """Kubecost's own form of an answer; ``message`` is there only when it says something."""
    body = {"code": code, "data": text} | ({"message": message} if message else {})
    return web.json_response(body, status=code, dumps=partial(json.dumps, separators=(",", ":")))


async def _illegal_window(request: web.Request, stage: str) -> web.StreamResponse:
    asked = request.query.get("window", "")
    if stage != "cloudCost":
        return _envelope(400, None, f"illegal window: {asked}")
    if not asked:
        return await wrong_answer(request, Answer(drop=True))  # the handler panics
    return web.Response(status=400, text=f"Invalid parameter: illegal window: {asked}\n")
