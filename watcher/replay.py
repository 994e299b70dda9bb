"""A recorded log through the production path: same splitter, same matcher, same core; nothing is ever sent.

Time in a replay is what the lines say: the latest stamp seen. A log without stamps has no time, so nothing is concluded
from quiet in it; nor is anything from its end.
"""

from __future__ import annotations

import gzip
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from typing import cast

from watcher.core.events import CaughtUp, DeadlineReached, Event, LogRead
from watcher.core.lines import LineSplitter
from watcher.core.orchestrator import step
from watcher.core.plan import Plan
from watcher.core.silence import next_deadline
from watcher.core.state import State
from watcher.errors import WatcherError
from watcher.matcher import Matcher

Log = BufferedIOBase
CHUNK = 256 * 1024
SNIFFED = 64 * 1024
NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


class UnreadableLogError(WatcherError):
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
        self._now = NO_TIME

    def read(self, paths: Iterable[str]) -> State:
        """Read every log in order. Raises UnreadableLogError if one cannot be opened; then nothing was read."""
        sources = [(path, _open(path)) for path in paths]
        self._step(CaughtUp(NO_TIME))
        for path, source in sources:
            with closing(source):
                self._read(path, source)
        return self.state

    def _read(self, path: str, source: Log) -> None:
        splitter = LineSplitter()
        lines = binary = 0
        for chunk in self._chunks(path, source):
            if not lines:
                binary += chunk[:SNIFFED].count(0)
            complete = splitter.feed(chunk)
            lines += len(complete)
            self._match(bytes(line) for line in complete)
        self._warn(path, cut=bool(splitter.rest), empty=not lines, binary=binary > 0)

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

    def _chunks(self, path: str, source: Log) -> Iterator[bytes]:
        """The log in pieces; ``read1`` gives what there is of a compressed log before it misses the end."""
        try:
            while chunk := source.read1(CHUNK):
                yield chunk
        except (OSError, EOFError, zlib.error) as error:
            self.warnings.append(f"{path}: reading ended early ({error}); what came before was read")

    def _match(self, lines: Iterable[bytes]) -> None:
        """Lines between two facts are counted in one step; a fact has a step of its own, at its own time."""
        count = matched = near_missed = info = 0
        for raw in lines:
            reading = self.matcher.read(raw)
            count += 1
            matched += reading.matched
            near_missed += reading.near_miss
            info += reading.is_info
            if reading.at is not None and reading.at > self._now:
                self._now = reading.at
            if reading.fact is not None:
                deadline = next_deadline(self.state, self.plan)
                if deadline is not None and deadline <= self._now:
                    self._step(DeadlineReached())
                self._step(LogRead(None, (reading.fact,), count, matched, near_missed, info, self._stamp()))
                count = matched = near_missed = info = 0
        if count:
            self._step(LogRead(None, (), count, matched, near_missed, info, self._stamp()))

    def _step(self, event: Event) -> None:
        self.state, _ = step(self.state, event, self._now, self.plan)
        if self.watch is not None:
            self.watch(self.state)

    def _stamp(self) -> datetime | None:
        return None if self._now == NO_TIME else self._now


def _open(path: str) -> Log:
    """A log to read from: ``-`` is stdin; gzip is recognised by its first bytes, whatever the name."""
    if path == "-":
        return cast("BufferedReader", sys.stdin.buffer)
    try:
        source = cast("BufferedReader", Path(path).open("rb", buffering=CHUNK))  # noqa: SIM115  closed by read()
        magic = source.read(2)
        source.seek(0)
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror}); give the path of a recorded log, or - for stdin"
        raise UnreadableLogError(message) from error
    return _Gunzipped(source) if magic == b"\x1f\x8b" else source


class _Gunzipped(gzip.GzipFile):
    """A compressed log that closes the file under it, which ``GzipFile`` leaves open."""

    def __init__(self, source: BufferedReader) -> None:
        super().__init__(fileobj=source)
        self._source = source

    def close(self) -> None:
        super().close()
        self._source.close()
