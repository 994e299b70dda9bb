"""Log lines from standard input: what comes is read, what was before cannot be had again."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from watcher.core.events import Attached, CaughtUp, Gap, GapFound, StreamLost
from watcher.core.lines import LineSplitter
from watcher.sources import Emit, LinesRead, RawLine

CHUNK: Final = 64 * 1024
PACE_OVER: Final = 1.0  # seconds
LIVE_PACE: Final = 256 * 1024  # bytes a second; logs of living programs are far slower, pipes far faster
AHEAD: Final = 16  # chunks read before they are taken
READER_THREAD: Final = "standard input"


@dataclass(frozen=True, slots=True)
class NoPlace:
    """A cursor that leads nowhere."""

    def dump(self) -> str:
        """As text, so that a restart knows that something was read."""
        return '{"source": "stdin"}'


class _Pace:
    """How fast the input comes, measured over stretches of ``PACE_OVER`` s."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._bytes = 0

    def is_live(self, size: int, now: float) -> bool:
        """Count ``size`` bytes that came at ``now``; True when a stretch ended in which no backlog came."""
        self._bytes += size
        if now - self._since < PACE_OVER:
            return False
        slow = self._bytes < LIVE_PACE * (now - self._since)
        self._since, self._bytes = now, 0
        return slow


class StdinSource:
    """Reads lines from a descriptor. ``clock`` gives aware datetimes in UTC.

    A pipe does not say where its backlog ends. Caught up means: nothing came for ``idle`` s, or for ``PACE_OVER`` s no
    more came than a living log writes; a backlog comes as fast as it can be read. An input that has ended is never
    caught up: nobody writes to it any more. A last line without an end may be a part of one, and is not delivered.
    """

    def __init__(self, clock: Callable[[], datetime], descriptor: int = 0, idle: float = 0.25) -> None:
        self._clock = clock
        self._descriptor = descriptor
        self._idle = idle
        self._asked = False
        self._chunks: asyncio.Queue[bytes] = asyncio.Queue()

    async def follow(self, emit: Emit, cursor: str | None) -> None:
        """Read until the input ends, then wait for ever: there will be no more, but the run is not over."""
        if cursor is not None:
            cause = "standard input cannot be read again: what came while the daemon did not run is not known"
            await emit(GapFound(Gap(None, self._clock(), cause)))
        await emit(Attached(None, "standard input"))
        splitter = LineSplitter()
        pace = _Pace(asyncio.get_running_loop().time())
        room = threading.Semaphore(AHEAD)
        self._begin(room)
        told = False
        while True:
            upto = self._clock()
            try:
                async with asyncio.timeout(self._idle):
                    data = await self._chunks.get()
            except TimeoutError:
                if not told or self._asked:
                    told, self._asked = True, False
                    await emit(CaughtUp(upto))
                continue
            room.release()
            if not data:
                break
            lines = splitter.feed(data)
            if lines:
                told = False
                await emit(LinesRead(None, tuple(map(RawLine, lines)), NoPlace()))
            if pace.is_live(len(data), asyncio.get_running_loop().time()):
                told, self._asked = True, False
                await emit(CaughtUp(upto))
        await emit(StreamLost("the input ended"))
        await asyncio.Event().wait()

    async def confirm(self) -> None:
        """Answered by ``CaughtUp`` when nothing comes for a moment."""
        self._asked = True

    def _begin(self, room: threading.Semaphore) -> None:
        """Read in a thread of our own: it hangs in ``read`` and must not keep the program from ending."""
        loop = asyncio.get_running_loop()

        def read() -> None:
            data = b" "
            while data:
                room.acquire()
                try:
                    data = os.read(self._descriptor, CHUNK)
                except OSError:
                    data = b""
                try:
                    loop.call_soon_threadsafe(self._chunks.put_nowait, data)
                except RuntimeError:
                    return  # the loop is closed, and so are we

        threading.Thread(target=read, name=READER_THREAD, daemon=True).start()
