"""What every source of log lines has in common: the protocol between ``cluster.py``/``files.py`` and the daemon."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, overload

from watcher.core.blocks import Block
from watcher.core.events import Epoch, StreamEvent
from watcher.core.lines import moment_of


@dataclass(frozen=True, slots=True)
class RawLine:
    """One complete log line: its bytes without the newline and without the runtime's stamp, which is in ``at``."""

    text: bytes
    at: datetime | None = None


class BlockLines(Sequence[RawLine]):
    """The lines of a block. Who can, reads its bytes at once: the lines one by one cost a hundred times as much."""

    __slots__ = ("block",)

    def __init__(self, block: Block) -> None:
        self.block = block

    def __len__(self) -> int:
        return self.block.count

    def __iter__(self) -> Iterator[RawLine]:
        return (RawLine(text, moment_of(ns)) for ns, text in self.block.lines())

    @overload
    def __getitem__(self, index: int) -> RawLine: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RawLine]: ...
    def __getitem__(self, index: int | slice) -> RawLine | Sequence[RawLine]:
        return tuple(self)[index]


class Cursor(Protocol):
    """A place in a log from which reading can go on, after a crash too."""

    def dump(self) -> str:
        """The cursor as text for the state file; the source that made it can read it back."""
        ...


@dataclass(slots=True)  # not frozen: one is made for whatever comes
class LinesRead:
    """Complete lines, each delivered exactly once, in order of arrival, and the cursor behind the last of them."""

    epoch: Epoch | None
    lines: Sequence[RawLine]
    cursor: Cursor


SourceEvent = LinesRead | StreamEvent
Emit = Callable[[SourceEvent], Awaitable[None]]


class Source(Protocol):
    """Follows one log until it is cancelled. Failures of the outside are events, never exceptions."""

    async def follow(self, emit: Emit, cursor: str | None) -> None:
        """Read from ``cursor`` (None: from the beginning), emit what happens, for ever.

        A source reads the backlog, says ``Attached`` before its first line and ``CaughtUp`` once it has delivered all
        that the log held when it looked; then follows.
        """
        ...

    async def confirm(self) -> None:
        """Look, independently of the open stream, whether the log holds a line that was not delivered.

        Leads to a ``CaughtUp`` in the stream of events when all was delivered, to a reconnect when not, to nothing when
        it can't be known.
        """
        ...
