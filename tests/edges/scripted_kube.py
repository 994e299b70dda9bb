"""A small API server to follow: one deployment, one pod at a time, every fault by script. No simulator, no cleverness.

It keeps the rules of the real log API that matter: headers before bytes, ``sinceTime`` cut to whole seconds and
inclusive, the whole log of a dead container again and again, errors as text inside a 200.
"""

from __future__ import annotations

import asyncio
import io
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from watcher.core.lines import SECOND, moment_of, split_stamp

NOON = 1_700_000_000 * SECOND
LABELS = {"app": "cost-analyzer", "tier": "x"}


@dataclass
class Fault:
    """What one answer of the log API does wrong: cut after so many bytes, or a status in place of a log."""

    kind: str  # clean | abort | fin | stall | status
    after: int = 0
    status: int = 0
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    follow_only: bool = True


@dataclass
class Life:
    """One life of the container and its log file."""

    id: str
    log: bytes = b""
    exit_code: int | None = None
    reason: str = "Error"


class ScriptedKube:
    def __init__(self) -> None:
        self.token = "first"
        self.takes_certificates = False  # whoever got through the handshake is known
        self.faults: deque[Fault] = deque()
        self.every_follow: Fault | None = None
        self.before_log: Callable[[str], None] = lambda _: None  # told the query before a log is looked up
        self.requests: list[str] = []
        self.open_follows = 0
        self.knows_tail = True
        self.refused_kinds: set[str] = set()  # e.g. replicasets
        self.refused_with = 403
        self.refused_headers: dict[str, str] = {}
        self.previous_gone: str | None = None
        self.status_lag: dict[str, Any] | None = None  # what a GET of the pod shows in place of the truth
        self.listed: dict[str, Any] | None = None  # the same for a list
        self.lost_pods: dict[str, dict[str, Any]] = {}  # on a node that is gone: shown, but without a log
        self.ready = True
        self.deleting = False
        self.labels = dict(LABELS)
        self.strays: list[dict[str, Any]] = []
        self._numbers = itertools.count(1)
        self.pod = 0
        self.clock = NOON
        self.replace()

    # ---- the story

    def replace(self) -> None:
        """A new pod with a new container; the old one is gone."""
        self.pod += 1
        self.lives: list[Life] = []
        self.waiting: str | None = None
        self.deleting = False
        self.start()

    def start(self) -> None:
        self.waiting = None
        self.lives.append(Life(f"containerd://{next(self._numbers)}"))

    def exit(self, code: int = 1, reason: str = "Error", *, waiting: str | None = None) -> None:
        self.life.exit_code, self.life.reason, self.waiting = code, reason, waiting

    def write(self, *texts: bytes, step: int = 1_000_000, at: int | None = None, end: bytes = b"\n") -> None:
        for text in texts:
            self.clock = at if at is not None else self.clock + step
            stamp = f"{moment_of(self.clock):%Y-%m-%dT%H:%M:%S}.{self.clock % SECOND:09d}Z "
            self.life.log += stamp.encode() + text + end

    def rotate(self) -> None:
        self.life.log = b""

    @property
    def life(self) -> Life:
        return self.lives[-1]

    @property
    def pod_name(self) -> str:
        return f"kubecost-cost-analyzer-7f-{self.pod}"

    # ---- what it shows

    def manifest(self) -> dict[str, Any]:
        now = {"containerID": self.life.id}
        code = self.life.exit_code
        ended = {"exitCode": code, "reason": self.life.reason, "containerID": self.life.id}
        state: dict[str, Any] = {"running": {}} if code is None else {"terminated": ended}
        last: dict[str, Any] = {}
        if len(self.lives) > 1:
            before = self.lives[-2]
            last = {"terminated": {"exitCode": before.exit_code, "reason": before.reason, "containerID": before.id}}
        if self.waiting is not None:
            state, last = {"waiting": {"reason": self.waiting}}, {"terminated": ended}
        ready = self.ready and code is None
        status = now | {"name": "cost-model", "state": state, "lastState": last, "ready": ready}
        meta = _meta(self.pod_name, f"uid-{self.pod}") | {"labels": self.labels}
        meta["creationTimestamp"] = f"2023-11-14T00:00:{self.pod:02d}Z"
        meta["ownerReferences"] = [
            {"kind": "ReplicaSet", "name": "kubecost-cost-analyzer-7f", "uid": "rs", "controller": True}
        ]
        if self.deleting:
            meta["deletionTimestamp"] = "2023-11-14T01:00:00Z"
        limits = {"resources": {"limits": {"memory": "2Gi"}}}
        spec = {"containers": [{"name": "frontend"}, {"name": "cost-model"} | limits]}
        statuses = [{"name": "frontend", "state": {}}, status | {"restartCount": len(self.lives) - 1}]
        return {"metadata": meta, "spec": spec, "status": {"phase": "Running", "containerStatuses": statuses}}

    def _log(self, query: dict[str, str]) -> tuple[Life, bytes] | web.Response:
        if query.get("previous") == "true":
            if len(self.lives) < 2 or self.previous_gone == "400":
                return refusal(400, 'previous terminated container "cost-model" in pod "p" not found')
            return self.lives[-2], (self.previous_gone or "").encode()
        return self.life, b""

    # ---- HTTP

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.path_qs)
        if not self.takes_certificates and request.headers.get("Authorization") != f"Bearer {self.token}":
            return refusal(401, "Unauthorized")
        *_, kind, name = request.path.split("/")
        if kind in self.refused_kinds or name in self.refused_kinds:
            refused = refusal(self.refused_with, f"{kind} are not for you")
            refused.headers.update(self.refused_headers)
            return refused
        if kind == "deployments":
            selector = {
                "matchLabels": {"app": "cost-analyzer"},
                "matchExpressions": [{"key": "tier", "operator": "Exists"}],
            }
            return web.json_response({"metadata": _meta(name, "deployment"), "spec": {"selector": selector}})
        if kind == "replicasets":
            owners = [{"kind": "Deployment", "uid": "deployment" if "7f" in name else "other", "controller": True}]
            return web.json_response({"metadata": _meta(name, "rs") | {"ownerReferences": owners}})
        if name == "pods":
            shown = [*self.strays, *self.lost_pods.values()]
            return web.json_response({"items": [*shown, self.listed or self.manifest()] if self.pod else shown})
        if name == "log":
            return await self._serve_log(request, kind)
        if name in self.lost_pods:
            return web.json_response(self.lost_pods[name])
        if name != self.pod_name:
            return refusal(404, f'pods "{name}" not found', kind="pods")
        return web.json_response(self.status_lag or self.manifest())

    async def _serve_log(self, request: web.Request, pod: str) -> web.StreamResponse:
        query = dict(request.query)
        follow = query.get("follow") == "true"
        if pod in self.lost_pods:
            return refusal(500, "dial tcp 10.0.0.1:10250: i/o timeout")
        if pod != self.pod_name:
            return refusal(404, f'pods "{pod}" not found', kind="pods")
        self.before_log(request.query_string)
        fault = self.every_follow if follow else None
        if self.faults and (follow or not self.faults[0].follow_only):
            fault = self.faults.popleft()
        if fault is not None and fault.kind == "status":
            return web.Response(status=fault.status, text=fault.body or None, headers=fault.headers)
        found = self._log(query)
        if isinstance(found, web.Response):
            return found
        life, in_band = found
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        self.open_follows += follow
        try:
            await self._pour(request, response, life, in_band, fault)
        except ConnectionError:
            pass
        finally:
            self.open_follows -= follow
        return response

    async def _pour(
        self, request: web.Request, response: web.StreamResponse, life: Life, in_band: bytes, fault: Fault | None
    ) -> None:
        query, sent, read = request.query, 0, 0
        if in_band:
            await response.write(in_band)
            return
        while True:
            log = life.log
            read = min(read, len(log))  # a rotation began a new file
            until = log.rfind(b"\n") + 1 if life.exit_code is None else len(log)
            piece = _since(log[read:until], query.get("sinceTime"))
            if "tailLines" in query and self.knows_tail:
                piece = b"".join(_lines(piece)[-int(query["tailLines"]) :])
            read = max(read, until)
            if fault is not None and sent + len(piece) >= fault.after:
                await response.write(piece[: fault.after - sent])
                if fault.kind == "abort":
                    await asyncio.sleep(0.002)  # an abort throws away what is still on its way
                    if request.transport is not None:  # the client may be gone already
                        request.transport.abort()
                elif fault.kind == "fin":
                    if request.transport is not None:
                        request.transport.close()  # in good order for TCP, but the body has no end
                elif fault.kind == "stall":
                    await asyncio.sleep(3600)
                else:
                    await response.write(fault.body.encode())
                return
            sent += len(piece)
            if piece:
                await response.write(piece)
            if life.exit_code is not None or query.get("follow") != "true":
                return
            await asyncio.sleep(0.003)


def _lines(log: bytes) -> list[bytes]:
    return io.BytesIO(log).readlines()  # only a newline ends one


def _since(log: bytes, since: str | None) -> bytes:
    if since is None:
        return log
    least, _ = split_stamp(since.encode() + b" ")
    assert least is not None
    assert least % SECOND == 0
    return b"".join(line for line in _lines(log) if (split_stamp(line)[0] or 0) >= least)


def _meta(name: str, uid: str) -> dict[str, Any]:
    return {"name": name, "namespace": "kubecost", "uid": uid}


def refusal(code: int, message: str, kind: str = "") -> web.Response:
    status = {"kind": "Status", "status": "Failure", "message": message, "details": {"kind": kind}, "code": code}
    return web.json_response(status, status=code)


@asynccontextmanager
async def serving(kube: ScriptedKube, port: int = 0) -> AsyncIterator[str]:
    """Serve on a socket; gives the address."""
    app = web.Application()
    app.router.add_get("/{path:.*}", kube._answer)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.05)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def write_kubeconfig(path: Path, server: str, user: dict[str, Any]) -> Path:
    document = {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "here",
    }
    path.write_text(yaml.safe_dump(document))
    return path
