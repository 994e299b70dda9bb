"""A recorded log through the production path: same matcher, same core; nothing is ever sent.

Time in a replay is what the lines say: the latest stamp of a line that speaks of a stage, and of the last line of each
chunk. It is never ahead of the log. A log without stamps has no time, so nothing is concluded from quiet in it; nor is
anything from its end.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime

from watcher.chunks import WholeLines
from watcher.core.blocks import count_lines
from watcher.core.events import CaughtUp, DeadlineReached, Event, Fact, LogRead
from watcher.core.orchestrator import step
from watcher.core.plan import Plan
from watcher.core.replaying import may_change
from watcher.core.silence import next_deadline
from watcher.core.state import State
from watcher.errors import WatcherError
from watcher.matcher import Matcher, Reading
from watcher.recorded import Recorded
from watcher.scan import Scanner, last_stamp

SNIFFED = 64 * 1024
TOLD_EVERY = 64  # chunks: how often who watches sees the counts grow
NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class UnreadableLog(WatcherError):
    """The log cannot be opened at all."""

    exit_code = 2


@dataclass
class Replay:
    """One pass over some logs. ``state`` is what they prove, ``warnings`` what stood in the way (one line each)."""

    plan: Plan
    matcher: Matcher
    watch: Callable[[State], None] | None = None
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = State.begin(self.plan)
        self._scanner = Scanner(self.matcher)
        self._now = NO_TIME
        self._deadline: datetime | None = None
        self._chunks = self._lines = self._matched = self._near_missed = 0

    def read(self, paths: Iterable[str]) -> State:
        """Read every log in order. Raises UnreadableLog if one cannot be opened; then nothing was read."""
        sources = [(path, _open(path)) for path in paths]
        self._step(CaughtUp(NO_TIME))
        for path, source in sources:
            with closing(source):
                self._read(path, source)
        return self.state

    def _read(self, path: str, source: Recorded) -> None:
        whole = WholeLines()
        lines = binary = 0
        try:
            for chunk in source.chunks():
                if not lines:
                    binary += chunk[:SNIFFED].count(0)
                lines += self._chunk(whole, chunk)
        except (OSError, EOFError, zlib.error) as error:
            self.warnings.append(f"{path}: reading ended early ({error}); what came before was read")
        self._count()
        self._warn(path, cut=bool(whole.rest), empty=not lines, binary=binary > 0)

    def _warn(self, path: str, *, cut: bool, empty: bool, binary: bool) -> None:
        """One warning a log at the most: the one that explains the others."""
        if any(warning.startswith(f"{path}: ") for warning in self.warnings):
            return
        if binary:
            self.warnings.append(f"{path}: this does not look like a text log; it was read as far as it goes")
        elif empty:
            self.warnings.append(f"{path}: no complete line in it; is this the right file?")
        elif cut:
            self.warnings.append(f"{path}: the last line is cut off; it was not counted")

    def _chunk(self, whole: WholeLines, chunk: bytes) -> int:
        """Read the lines that a chunk completes, and return how many they are.

        A fact that may change something has a step of its own, at its own time; everything else is only counted. Lines
        of level info are not: their absence means something in a live run only.
        """
        lines = count_lines(chunk)
        self._lines += lines
        stretches = whole.feed(chunk)
        for stretch in stretches:
            for readings, silent in self._scanner.read_telling(*stretch):
                self._matched += silent
                for reading in readings:
                    self._hear(reading)
        self._pass(next(filter(None, (last_stamp(*stretch) for stretch in reversed(stretches))), None))
        self._chunks += 1
        if self._chunks % TOLD_EVERY == 0 or self._is_due():
            self._count()
        return lines

    def _hear(self, reading: Reading) -> None:
        """Count a line, let its time come, and step if its fact may change something."""
        if reading.by is None or reading.found is None:
            self._near_missed += 1
            return
        self._matched += 1
        self._pass(reading.at)
        if self._is_due():
            self._step(DeadlineReached())
        if may_change(self.state, self.plan, reading.by.subject(reading.found)) and (fact := reading.fact) is not None:
            self._count((fact,))

    def _is_due(self) -> bool:
        return self._deadline is not None and self._deadline <= self._now

    def _count(self, facts: tuple[Fact, ...] = ()) -> None:
        """Make a step of everything that was counted since the last one."""
        at = None if self._now == NO_TIME else self._now
        self._step(LogRead(None, facts, self._lines, self._matched, self._near_missed, 0, at))
        self._lines = self._matched = self._near_missed = 0

    def _pass(self, at: datetime | None) -> None:
        if at is not None and at > self._now:
            self._now = at

    def _step(self, event: Event) -> None:
        self.state, _ = step(self.state, event, self._now, self.plan)
        self._deadline = next_deadline(self.state, self.plan)
        if self.watch is not None:
            self.watch(self.state)


def _open(path: str) -> Recorded:
    try:
        return Recorded(path)
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror}); give the path of a recorded log, or - for stdin"
        raise UnreadableLog(message) from error
