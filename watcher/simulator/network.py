"""The way from the daemon to the simulated API server, as the weather lets it be; it outlives the daemon's lives."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from random import Random
from typing import Any, Final

from watcher.cluster.api import Trouble
from watcher.simulator.catalogue import Catalogue
from watcher.simulator.cluster import Cluster
from watcher.simulator.faults import Cut
from watcher.simulator.manifests import pod_manifest
from watcher.simulator.weather import Sky, Weather

ANSWER_SECONDS: Final = 15.0  # after which a client gives up an answer whose head does not come

# What an API server may answer instead: status, words, Retry-After.
ODD_ANSWERS: Final[tuple[tuple[int | None, str, float | None], ...]] = (
    (None, "Connection reset by peer", None),
    (None, "Server disconnected", None),
    (401, "Unauthorized", None),
    (403, 'pods is forbidden: User "watcher" cannot get resource', None),
    (429, "The apiserver is shutting down, please try again later.", 5.0),
    (429, "Too many requests, please try again later.", 1.0),
    (500, "etcdserver: request timed out", None),
    (502, "<html><h1>502 Bad Gateway</h1></html>", None),
    (503, "the server is currently unable to handle the request", None),
    (504, "", None),
)
ODD_LOG_ANSWERS: Final[tuple[tuple[int | None, str, float | None], ...]] = (
    *ODD_ANSWERS,
    (204, "nothing", None),
    (400, 'container "cost-model" in pod "p" is waiting to start: ContainerCreating', None),
    (401, "the server has asked for the client to provide credentials ( pods/log p)", None),
    (404, "the server could not find the requested resource ( pods/log p)", None),
    (500, 'Get "https://10.0.0.1:10250/containerLogs": dial tcp 10.0.0.1:10250: connect: connection refused', None),
)
IN_BAND: Final = (
    "failed to create fsnotify watcher: too many open files",
    "rpc error: code = Unavailable desc = error reading from server: EOF",
    'failed to try resolving symlinks in path "/var/log/0.log": lstat /var/log/0.log: no such file or directory',
    "unable to retrieve container logs for containerd://0123456789abcdef",
)


class Network:
    """Delays, refuses, cuts. ``note`` is told every fault that it makes."""

    def __init__(self, cluster: Cluster, weather: Weather, rng: Random, note: Callable[[str], None]) -> None:
        self.cluster = cluster
        self.weather = weather
        self.rng = rng
        self.note = note
        self.catalogue = Catalogue(cluster, self._shown_pods)
        self._past: deque[tuple[float, tuple[dict[str, Any], ...]]] = deque()
        self._shown_at = 0.0

    @property
    def sky(self) -> Sky:
        """What the way is like now."""
        return self.weather.sky(_now())

    @property
    def calm(self) -> bool:
        """True when no fault happens any more."""
        return self.weather.is_calm(_now())

    async def pass_by(self, path: str, *, log: bool) -> None:
        """Bring a request to the server and its first answer back. Raises Trouble."""
        await asyncio.sleep(self.weather.latency * self.rng.uniform(0.5, 1.5))
        if self.calm:
            return
        await self._meet_sky(path, log=log)
        if self.rng.random() < self.weather.refused:
            status, words, wait = self.rng.choice(ODD_LOG_ANSWERS if log else ODD_ANSWERS)
            self.note(f"{'log' if log else 'GET'} answered {status} {words[:40]}")
            raise Trouble(f"GET {path}: {status or ''} {words}", status, wait)
        if self.rng.random() < self.weather.hung:
            self.note("request hangs")
            await self.hang(path)

    async def _meet_sky(self, path: str, *, log: bool) -> None:
        match self.sky:
            case Sky.DOWN:
                raise Trouble(f"GET {path}: Connection refused")
            case Sky.DARK:
                await self.hang(path)
            case Sky.BUSY:
                raise Trouble(f"GET {path}: 429 busy", 429, self.rng.choice((1.0, 5.0)))
            case Sky.FORBIDDEN:
                raise Trouble(f"GET {path}: 403 forbidden", 403)
            case Sky.BROKEN if log:
                raise Trouble(f"GET {path}: 500 dial tcp: i/o timeout", 500)
            case _:
                pass

    async def hang(self, path: str) -> None:
        """Never answer: the client gives up."""
        await asyncio.sleep(ANSWER_SECONDS)
        raise Trouble(f"GET {path}: no answer in time")

    @property
    def is_dark(self) -> bool:
        """True while nothing gets through."""
        return bool(self.weather.skies) and self.sky is Sky.DARK

    async def light(self) -> None:
        """Wait while nothing gets through."""
        for start, end, sky in self.weather.skies:
            if sky is Sky.DARK and start <= _now() < end:
                await asyncio.sleep(end - _now())

    def next_cut(self) -> Cut | None:
        """How the stream that is opened now shall end before its time, if it shall."""
        weather, rng = self.weather, self.rng
        if self.calm:
            return None
        after = int(rng.expovariate(1 / weather.cut_after))
        if rng.random() < weather.in_band:
            return Cut(after if rng.random() < 0.5 else 0, "clean", rng.choice(IN_BAND))
        if rng.random() < weather.stalled:
            return Cut(after, "stall")
        if rng.random() < weather.cut:
            return Cut(after, "clean" if rng.random() < 0.6 else "abort")
        return None

    # ---- what the API shows of pods, a little late ------------------------------------------------------------------

    async def remember(self) -> None:
        """Keep what the API may still show for a while; for ever."""
        while True:
            self._past.append((_now(), self._pods()))
            await self.cluster.changed()

    def _pods(self) -> tuple[dict[str, Any], ...]:
        return tuple(pod_manifest(pod, self.cluster.namespace) for pod in self.cluster.pods.values())

    def _shown_pods(self) -> Iterable[dict[str, Any]]:
        """What was, never older than what was shown before."""
        if self.calm or not self.weather.lag:
            return self._pods()
        self._shown_at = max(self._shown_at, _now() - self.rng.uniform(0.0, self.weather.lag))
        while len(self._past) > 1 and self._past[1][0] <= self._shown_at:
            self._past.popleft()
        return self._past[0][1]


def _now() -> float:
    return asyncio.get_running_loop().time()
