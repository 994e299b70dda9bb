"""``GET …/pods/{name}/log`` of the simulated API server, kubelet behind it included."""

from __future__ import annotations

import asyncio
import json

from aiohttp import web

from watcher.simulator.cluster import Cluster
from watcher.simulator.faults import Answer, Cut, Faults
from watcher.simulator.framing import Framing
from watcher.simulator.log_options import LogOptions, log_options
from watcher.simulator.objects import Container, Life, Pod
from watcher.simulator.status import Refusal, not_found, status_body

CHUNK = 32 * 1024
"""A kubelet sends a backlog in pieces of this size, wherever lines end."""

_WAITING_TEXTS = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


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
        pod = self._cluster.pods.get(pod_name)
        if pod is None:
            raise not_found("", "pods", pod_name)
        container = _container(pod, options.container)
        if not pod.scheduled:
            return web.Response(status=204)
        life = _life(pod, container, previous=options.previous)
        sink = await Sink.begin(request, self._faults.next_log_cut())
        if life.collected:
            await sink.write(f"unable to retrieve container logs for {life.container_id}".encode())
        else:
            await self._deliver(life, options, sink)
        return await sink.end()

    async def _deliver(self, life: Life, options: LogOptions, sink: Sink) -> None:
        framing = Framing(
            timestamps=options.timestamps,
            since=options.since,
            limit=options.limit,
            zone_minutes=self._cluster.zone_minutes,
        )
        reader = life.log.open()
        if options.tail is not None:
            reader.keep_last(options.tail)
        follow = options.follow and life.death is None
        while sink.open:
            records = reader.take()
            if records:
                await sink.write(b"".join(map(framing.frame, records)))
                if framing.exhausted:
                    return
            elif not follow:
                return
            elif not await reader.more():
                await asyncio.sleep(self._end_delay)
                return


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


def _container(pod: Pod, name: str | None) -> Container:
    if name is None:
        if len(pod.containers) == 1:
            return next(iter(pod.containers.values()))
        listed = " ".join(pod.containers)
        message = f"a container name must be specified for pod {pod.name}, choose one of: [{listed}]"
        raise Refusal(400, message)
    if name not in pod.containers:
        raise Refusal(400, f"container {name} is not valid for pod {pod.name}")
    return pod.containers[name]


def _life(pod: Pod, container: Container, *, previous: bool) -> Life:
    """Which life's log it is: the order of these cases is the kubelet's."""
    if previous:
        if container.last_dead is None:
            raise Refusal(400, f'previous terminated container "{container.name}" in pod "{pod.name}" not found')
        return container.last_dead
    if container.life is None:
        reason = container.waiting or "ContainerCreating"
        text = _WAITING_TEXTS.get(reason, reason)
        raise Refusal(400, f'container "{container.name}" in pod "{pod.name}" is waiting to start: {text}')
    return container.life


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
