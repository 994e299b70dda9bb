"""``GET …/pods/{name}/log`` of the simulated API server, kubelet behind it included."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from watcher.simulator.cluster import Cluster
from watcher.simulator.faults import Answer, Cut, Faults
from watcher.simulator.log_options import log_options
from watcher.simulator.log_reading import LogBody, life_asked_for
from watcher.simulator.status import Refusal, status_body

CHUNK = 32 * 1024
"""A kubelet sends a backlog in pieces of this size, wherever lines end."""


class LogApi:
    """Answers log requests. ``end_delay``: seconds from the end of a container to the end of its streams."""

    def __init__(self, cluster: Cluster, faults: Faults, end_delay: float = 0.02) -> None:
        self._cluster = cluster
        self._faults = faults
        self._end_delay = end_delay

    async def answer(self, request: web.Request, pod_name: str) -> web.StreamResponse:
        """The log that is asked for, or a ``Refusal``."""
        _check_accept(request.headers.get("Accept", "*/*"))
        if fault := self._faults.next_log_answer():
            return await wrong_answer(request, fault)
        options = log_options(request.query, pod_name, self._cluster.clock())
        life = life_asked_for(self._cluster, pod_name, options)
        if life is None:
            return web.Response(status=204)
        sink = await Sink.begin(request, self._faults.next_log_cut())
        body = LogBody(self._cluster, life, options, self._end_delay)
        while sink.open and (content := await body.next()):
            await sink.write(content)
        return await sink.end()


class Sink:
    """The body of one answer, which a ``Cut`` may end before its time."""

    def __init__(self, request: web.Request, response: web.StreamResponse, cut: Cut | None) -> None:
        self._request = request
        self._response = response
        self._cut = cut
        self._sent = 0
        self.open = True

    @classmethod
    async def begin(cls, request: web.Request, cut: Cut | None) -> Sink:
        """Send the headers: they come before any byte of the log, and when there is none, too."""
        response = web.StreamResponse(
            headers={"Content-Type": "text/plain", "Cache-Control": "no-cache, private", "Audit-Id": "simulated"}
        )
        response.enable_chunked_encoding()
        await response.prepare(request)
        sink = cls(request, response, cut)
        await sink.write(b"")
        return sink

    async def write(self, content: bytes) -> None:
        """Send these bytes, up to the cut."""
        left = None if self._cut is None else max(0, self._cut.after - self._sent)
        content = content[:left]
        for start in range(0, len(content), CHUNK):
            piece = content[start : start + CHUNK]
            try:
                await self._response.write(piece)
            except (ConnectionError, RuntimeError):
                self.open = False  # the client went away
                return
            self._sent += len(piece)
        if self._cut is not None and self._sent >= self._cut.after and self.open:
            await self._end_early(self._cut)

    async def _end_early(self, cut: Cut) -> None:
        self.open = False
        if cut.text:
            await self._response.write(cut.text.encode())
        transport = self._request.transport
        match cut.kind:
            case "clean":
                pass
            case "abort" if transport is not None:
                transport.abort()
            case "stall":
                await asyncio.Event().wait()  # until the server closes

    async def end(self) -> web.StreamResponse:
        """Finish the body."""
        try:
            await self._response.write_eof()
        except (ConnectionError, RuntimeError):
            self.open = False
        return self._response


def _check_accept(accept: str) -> None:
    kinds = {kind.split(";", 1)[0].strip() for kind in accept.split(",")}
    served = {"*/*", "application/*", "application/json", "application/yaml", "application/vnd.kubernetes.protobuf"}
    if not kinds & served:
        listed = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
        raise Refusal(406, f"only the following media types are accepted: {listed}")


async def wrong_answer(request: web.Request, fault: Answer) -> web.StreamResponse:
    """The answer that ``fault`` wants instead of the real one."""
    if fault.hang:
        await asyncio.sleep(fault.hang)
    if fault.drop:
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)
    body = fault.body
    if body is None:
        body = json.dumps(status_body(fault.status, "a fault that was asked for", reason=False))
    headers = dict(fault.headers) | {"Content-Type": fault.content_type}
    return web.Response(status=fault.status, body=body.encode(), headers=headers)
