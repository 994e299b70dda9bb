"""What the follower tells, each thing once: attached, lost, ready, gaps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from watcher.cluster.life import Life
from watcher.cluster.pods import Pod
from watcher.core.blocks import Block, Key
from watcher.core.events import Attached, CaughtUp, EpochChanged, Gap, GapFound, StreamLost, TargetReady
from watcher.core.lines import moment_of
from watcher.pulse import Pulses
from watcher.sources import BlockLines, Emit, LinesRead, RawLine


class Teller:
    """Speaks to the daemon. ``namespace`` and ``container`` say where the log is from, for people."""

    def __init__(
        self, emit: Emit, clock: Callable[[], datetime], namespace: str, container: str, pulses: Pulses
    ) -> None:
        self._emit = emit
        self._namespace = namespace
        self._container = container
        self._pulses = pulses
        self._attached = False
        self._lost: str | None = None
        self.clock = clock

    async def attached(self, life: Life) -> None:
        """A stream of this life is open, where none was told to be; its cursor is valid from here on."""
        await self._emit(Attached(life.epoch, f"{self._namespace}/{life.pod_name}/{self._container}"))
        self._attached = True
        self._lost = None
        if not life.noted:
            # So that the saved cursor names this life even if we die before its first line.
            await self._emit(LinesRead(life.epoch, (), life.cursor(life.trail.here)))
            life.noted = True

    async def attached_once(self, life: Life) -> None:
        """As ``attached``, unless a stream is open already."""
        if not self._attached:
            await self.attached(life)

    async def lost(self, cause: str) -> None:
        """No stream is open, and why; said again only where the cause is another."""
        if self._attached or cause != self._lost:
            self._attached = False
            self._lost = cause
            await self._emit(StreamLost(cause))

    async def lines(self, life: Life, fresh: Sequence[tuple[Key, bytes]] | Block, now: float) -> None:
        """Deliver new lines. They count as delivered when this returns, and not when it is cancelled.

        It may take long: when the daemon has no room for them.
        """
        lines: Sequence[RawLine]
        if isinstance(fresh, Block):
            place, lines = life.trail.after(fresh, now), BlockLines(fresh)
        else:
            place = life.trail.after([key for key, _ in fresh], now)
            lines = tuple(RawLine(text, moment_of(key[0])) for key, text in fresh)
        self._pulses.hold_up()
        try:
            await self._emit(LinesRead(life.epoch, lines, life.cursor(place)))
        finally:
            self._pulses.go_on()
        life.trail.move_to(place)
        life.noted = True

    async def caught_up(self, upto: datetime) -> None:
        """All that the log held at ``upto`` was delivered."""
        await self._emit(CaughtUp(upto))

    async def readiness(self, life: Life, pod: Pod) -> None:
        """Tell when the container has become ready to take requests."""
        if not self._attached or not life.is_served_by(pod):
            return
        if pod.ready and not life.ready:
            await self._emit(TargetReady(life.epoch))
        life.ready = pod.ready

    async def changed(self, life: Life, cause: str) -> None:
        """Another life began."""
        await self._emit(EpochChanged(life.epoch, cause))

    async def gap(self, cause: str, life: Life | None = None, end: datetime | None = None) -> None:
        """A stretch after the last delivered line is missing, up to now where ``end`` is not known better."""
        last = life.trail.here.last if life is not None else None
        begun = life.pod.started if life is not None and life.pod is not None else None
        start = moment_of(last[0]) if last is not None else begun
        pod = life.pod_name if life is not None else None
        await self._emit(GapFound(Gap(start, end or self.clock(), cause, pod, self._container)))
