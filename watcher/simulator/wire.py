"""The Kubernetes API without sockets: what ``watcher.cluster`` needs of it, straight from the simulated cluster.

Answers are made by the code that also serves HTTP (``catalogue.py``, ``log_reading.py``); troubles are those that the
real transport makes of what happens on a socket.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, Final

from watcher.cluster.api import LogStream, Query, Silence, Trouble
from watcher.cluster.rhythm import Rhythm
from watcher.simulator.faults import Cut
from watcher.simulator.log_options import log_options
from watcher.simulator.log_reading import LogBody, life_asked_for
from watcher.simulator.network import Network
from watcher.simulator.status import Refusal

WHOLE: Final = 1 << 20  # bytes: larger than any piece
SLOW_SHARE: Final = 0.2  # of the streams that come in small pieces: the line is as slow as that, too
END_DELAY: Final = 0.5  # seconds; the kubelet looks after a container's end once a second
_OBJECT: Final = re.compile(r"/(?:api|apis/apps)/v1/namespaces/([^/]+)/(deployments|replicasets|pods)(?:/([^/]+))?")


class WireApi:
    """The API as one life of the daemon sees it; ``cut_off`` ends all of its connections with that life."""

    def __init__(self, network: Network, rhythm: Rhythm) -> None:
        self._network = network
        self._rhythm = rhythm
        self._streams: list[WireLog] = []

    async def open(self) -> None:
        """There is nothing to read."""

    async def close(self) -> None:
        """Give up all connections but open streams."""

    async def get(self, path: str, query: Query = ()) -> dict[str, Any]:
        """One object or list."""
        await self._network.pass_by(path, log=False)
        found = _OBJECT.fullmatch(path)
        if found is None:
            raise Trouble(f"GET {path}: 404 the server could not find the requested resource", 404)
        namespace, resource, name = found.groups()
        catalogue = self._network.catalogue
        try:
            if name is None:
                return catalogue.listed(resource, namespace, dict(query))
            return catalogue.one(resource, namespace, name)
        except Refusal as refusal:
            raise _trouble(path, refusal) from None

    async def log(self, namespace: str, pod: str, query: Query) -> LogStream:
        """Open the log of a pod."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        await self._network.pass_by(path, log=True)
        cluster = self._network.cluster
        try:
            options = log_options(dict(query), pod, cluster.clock())
            life = life_asked_for(cluster, pod, options)
        except Refusal as refusal:
            raise _trouble(path, refusal) from None
        if life is None:
            raise Trouble(f"GET {path}: 204 with nothing where a log was expected", 204)
        body = LogBody(cluster, life, options, END_DELAY)
        stream = WireLog(body, self._network, self._rhythm.sock_read, self._network.next_cut())
        self._streams = [one for one in self._streams if one.is_open]
        self._streams.append(stream)
        return stream

    def break_streams(self) -> None:
        """The way to the server is interrupted: every open stream breaks."""
        for stream in self._streams:
            stream.break_off()


class WireLog:
    """The body of one answer, in pieces of any size, which a ``Cut`` may end before its time."""

    def __init__(self, body: LogBody, network: Network, patience: float, cut: Cut | None) -> None:
        self._body = body
        self._network = network
        self._patience = patience
        self._cut = cut
        self._left = cut.after if cut is not None else None
        self._buffer = b""
        self._broken = False
        self._waiting: asyncio.Timeout | None = None
        rng, shredded = network.rng, network.weather.shredded
        self._most = rng.choice((20, 200, 2000)) if not network.calm and rng.random() < shredded else WHOLE
        self._is_slow = self._most < WHOLE and rng.random() < SLOW_SHARE
        self.is_open = True

    async def read(self) -> bytes:
        """The next bytes; none at a clean end. Raises Trouble; Silence where nothing came for too long."""
        if not self._buffer and self._left != 0:
            self._buffer = (await self._wait(self._body.next()))[: self._left]
            if not self._buffer:
                self.is_open = False
                return b""
            if self._left is not None:
                self._left -= len(self._buffer)
        if not self._buffer:
            return await self._end_early()
        if self._is_slow or self._network.is_dark:
            await self._wait(asyncio.sleep(self._network.weather.latency / 10))
            await self._wait(self._network.light())
        else:  # a limit costs more than all the rest
            await asyncio.sleep(0)
            if self._broken:
                await self._wait(asyncio.sleep(0))
        if self._network.calm:
            self._most, self._is_slow = WHOLE, False
        most = min(self._most, len(self._buffer))
        size = self._network.rng.randint(1, most) if self._most < WHOLE else most
        piece, self._buffer = self._buffer[:size], self._buffer[size:]
        return piece

    async def close(self) -> None:
        """Give the connection up. May be called twice."""
        self.is_open = False

    def break_off(self) -> None:
        """The connection is reset."""
        self._broken = True
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def _wait(self, what: Any) -> Any:  # noqa: ANN401  whatever is awaited
        """Wait as long as a socket would."""
        try:
            if self._broken:
                what.close()
                raise TimeoutError  # noqa: TRY301  as a real wait would
            async with asyncio.timeout(self._patience) as self._waiting:
                return await what
        except TimeoutError:
            self.is_open = False
            if self._broken:
                raise Trouble("the connection broke: Connection reset by peer") from None
            raise Silence(f"nothing came for {self._patience:g} s") from None
        finally:
            self._waiting = None

    async def _end_early(self) -> bytes:
        """What the ``Cut`` wants."""
        cut, self._cut = self._cut, None
        if cut is not None:
            self._network.note(f"stream cut after {cut.after} bytes: {cut.kind} {cut.text[:20]}".rstrip())
            if cut.text:
                return cut.text.encode()
            if cut.kind == "abort":
                self.is_open = False
                raise Trouble("the connection broke: not enough data to satisfy transfer length header")
            if cut.kind == "stall":
                await self._wait(asyncio.Event().wait())
        self.is_open = False
        return b""


def _trouble(path: str, refusal: Refusal) -> Trouble:
    return Trouble(f"GET {path}: {refusal.code} {refusal}", refusal.code)
