"""Follows a source in a test and keeps what it told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from tests.edges.scripted_kube import ScriptedKube, write_kubeconfig
from watcher.cluster import KubernetesSource, Rhythm
from watcher.core.events import CaughtUp, EpochChanged, GapFound, StreamLost
from watcher.sources import LinesRead, Source, SourceEvent

Kind = TypeVar("Kind")


def clock() -> datetime:
    """The time of the test's loop as a date."""
    return datetime.fromtimestamp(1_700_000_000 + asyncio.get_running_loop().time(), UTC)


QUICK = Rhythm(
    answer=2.0,
    connect=1.0,
    sock_read=0.4,
    probe_idle=0.15,
    stall=0.1,
    settle=0.03,
    lag=0.06,
    give_up=0.15,
    poll=0.03,
    drain=0.04,
    backoff_first=0.005,
    backoff_cap=0.05,
)
PATIENT = replace(QUICK, sock_read=30.0, probe_idle=30.0)


class Scene:
    """A scripted server and the sources that follow it."""

    def __init__(self, kube: ScriptedKube, address: str, folder: Path) -> None:
        self.kube = kube
        self.address = address
        self.kubeconfig = write_kubeconfig(folder / "kubeconfig", address, {"token": "first"})

    def source(self, rhythm: Rhythm = QUICK, **changes: Any) -> KubernetesSource:
        place = {"namespace": "kubecost", "deployment": "kubecost-cost-analyzer", "container": "cost-model"}
        source = KubernetesSource(**place | changes, kubeconfig=self.kubeconfig, rhythm=rhythm, clock=clock)
        self.last = source
        return source

    def follows(self) -> int:
        return sum("follow=true" in request for request in self.kube.requests)


def numbered(first: int, last: int) -> list[bytes]:
    return [b"line %d" % n for n in range(first, last)]


class Heard:
    """Everything a source told, in order."""

    def __init__(self) -> None:
        self.events: list[SourceEvent] = []
        self.cursor: str | None = None
        self._news = asyncio.Event()

    async def emit(self, event: SourceEvent) -> None:
        self.events.append(event)
        if isinstance(event, LinesRead):
            self.cursor = event.cursor.dump()
        self._news.set()

    @property
    def lines(self) -> list[bytes]:
        return [line.text for event in self.of(LinesRead) for line in event.lines]

    def of(self, kind: type[Kind]) -> list[Kind]:
        return [event for event in self.events if isinstance(event, kind)]

    @property
    def gaps(self) -> list[str]:
        return [event.gap.cause for event in self.of(GapFound)]

    @property
    def losses(self) -> list[str]:
        return [event.cause for event in self.of(StreamLost)]

    @property
    def changes(self) -> list[str]:
        return [event.cause for event in self.of(EpochChanged)]

    @property
    def caught_up(self) -> int:
        return len(self.of(CaughtUp))

    async def until(self, holds: Callable[[], bool], seconds: float = 8.0) -> None:
        """Wait until ``holds``; a failure shows what was heard."""
        try:
            async with asyncio.timeout(seconds):
                while not holds():
                    self._news.clear()
                    try:
                        async with asyncio.timeout(0.02):
                            await self._news.wait()
                    except TimeoutError:
                        pass
        except TimeoutError:
            shown = "\n".join(str(event)[:300] for event in self.events[-40:])
            raise AssertionError(f"it did not come; heard:\n{shown}") from None


@asynccontextmanager
async def listening(source: Source, cursor: str | None = None) -> AsyncIterator[Heard]:
    """Follow the source inside the block."""
    heard = Heard()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(source.follow(heard.emit, cursor))
        try:
            yield heard
        finally:
            task.cancel()
