"""What has arrived and waits for the daemon: in order, and bounded by bytes.

The log is read on while the core thinks or the disk is slow, because a kubelet whose stream is not read skips whole
files when the log is rotated, and says nothing. The room is large, and when half of it is used people are told. When
all of it is used the reader has to wait; it opens its stream anew afterwards, which shows whether something was missed.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Final

from watcher.core.events import Event
from watcher.sources import BlockLines, LinesRead, SourceEvent

log = logging.getLogger("watcher")

MEBIBYTE: Final = 1024 * 1024
ROOM: Final = 128 * MEBIBYTE  # of memory: 64 MiB of log in lines of usual length
LINE: Final = 250  # bytes that a line takes in memory besides its text, its key for a reconnect included


class Inbox:
    """Events for one taker. ``room`` is in bytes; only lines take any, and only lines wait for room."""

    def __init__(self, room: int = ROOM) -> None:
        self.room = room
        self.used = 0
        self._waiting: deque[tuple[Event | SourceEvent, int]] = deque()
        self._news = asyncio.Event()
        self._taken = asyncio.Event()
        self._half_full = False

    @property
    def is_empty(self) -> bool:
        """True where nothing waits."""
        return not self._waiting

    async def put(self, event: Event | SourceEvent) -> None:
        """Add an event; lines when there is room again. Nothing was added where this is cancelled."""
        size = _size(event)
        while size and self.used >= self.room:
            self._taken.clear()
            await self._taken.wait()
        self._waiting.append((event, size))
        self.used += size
        self._news.set()
        if not self._half_full and self.used > self.room // 2:
            self._half_full = True
            text = "%s of log wait to be looked at, half of the room is used: the core or the disk is too slow"
            log.warning(text, _mebibytes(self.used))

    def take(self) -> Event | SourceEvent | None:
        """The oldest event; None where there is none."""
        if not self._waiting:
            return None
        event, size = self._waiting.popleft()
        self.used -= size
        self._taken.set()
        if self._half_full and self.used < self.room // 4:
            self._half_full = False
            log.info("%s of log wait to be looked at: it is being caught up with", _mebibytes(self.used))
        return event

    async def wait(self, seconds: float) -> None:
        """Wait until there is something to take, or for so long, or until somebody wakes us."""
        if not self._waiting:
            try:
                async with asyncio.timeout(seconds):
                    await self._news.wait()
            except TimeoutError:
                pass
        self._news.clear()

    def wake(self) -> None:
        """End a ``wait``, also one that is still to begin."""
        self._news.set()


def _size(event: Event | SourceEvent) -> int:
    if not isinstance(event, LinesRead):
        return 0
    if isinstance(event.lines, BlockLines):
        return len(event.lines.block.data) + LINE
    return sum(len(line.text) + LINE for line in event.lines)


def _mebibytes(size: int) -> str:
    return f"{size / MEBIBYTE:.1f} MiB"
