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
AHEAD: Final = 16  # chunks read before they are taken


@dataclass(frozen=True, slots=True)
class NoPlace:
    """A cursor that leads nowhere."""

    def dump(self) -> str:
        """As text, so that a restart knows that something was read."""
        return '{"source": "stdin"}'


class StdinSource:
    """Reads lines from a descriptor. ``clock`` gives aware datetimes in UTC; ``idle`` s of silence mean caught up."""

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
            lines = splitter.feed(data or (b"\n" if splitter.rest else b""))
            if lines:
                told = False
                await emit(LinesRead(None, tuple(map(RawLine, lines)), NoPlace()))
            if not data:
                break
        await emit(CaughtUp(self._clock()))
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

        threading.Thread(target=read, name="standard input", daemon=True).start()
