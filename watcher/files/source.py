"""Log lines from a file that somebody else writes and rotates.

The file is read through its open descriptor, so that a renamed file is read to its end before the next one is begun.
What was rotated while nobody read is looked for beside it. Lines are delivered whole, stamps and all.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from watcher.core.events import Attached, CaughtUp, Gap, GapFound, StreamLost
from watcher.core.lines import LineSplitter
from watcher.files.rotation import WITNESS, FileCursor, OpenFile, reopen, successors
from watcher.sources import Emit, LinesRead, RawLine

CHUNK: Final = 1024 * 1024
MISSING: Final = 4  # polls without a file until that is told: between rename and create there is none for a moment


class FileSource:
    """Follows the file at ``path``. ``clock`` gives aware datetimes in UTC, ``poll`` is in seconds."""

    def __init__(self, path: Path, clock: Callable[[], datetime], poll: float = 0.25) -> None:
        self._path = path
        self._clock = clock
        self._poll = poll
        self._asked = asyncio.Event()

    async def follow(self, emit: Emit, cursor: str | None) -> None:
        """Read the file, then what is appended to it and what replaces it, for ever."""
        reading = _Reading(self._path, self._clock, emit)
        try:
            if cursor is not None:
                await reading.resume(cursor)
            while True:
                try:
                    busy = await reading.step()
                except OSError as error:
                    await reading.fail(error)
                    busy = False
                if not busy and await self._rest():
                    reading.asked = True
        finally:
            reading.close()

    async def confirm(self) -> None:
        """Look at the end of the file now; answered by ``CaughtUp`` when everything was read."""
        self._asked.set()

    async def _rest(self) -> bool:
        """Wait for the next look; True when somebody asked for it."""
        try:
            async with asyncio.timeout(self._poll):
                await self._asked.wait()
        except TimeoutError:
            return False
        self._asked.clear()
        return True


class _Reading:
    """Where the reading of one path stands. ``asked``: somebody waits to hear whether everything was read."""

    def __init__(self, path: Path, clock: Callable[[], datetime], emit: Emit) -> None:
        self._path = path
        self._clock = clock
        self._emit = emit
        self._file: OpenFile | None = None
        self._next: deque[OpenFile] = deque()  # what was written after it
        self._splitter = LineSplitter()
        self._half = b""  # the end of what was read behind the cursor, which is no whole line
        self._cursor: FileCursor | None = None
        self._over = 0  # how often the open file was found to be replaced, and read to its end
        self._missing = 0
        self._attached = False
        self._lost: str | None = None
        self.asked = True

    async def resume(self, text: str) -> None:
        """Go to a saved place; a gap where it is gone."""
        try:
            self._cursor = FileCursor.load(text)
            file = await asyncio.to_thread(reopen, self._path, self._cursor)
        except ValueError as error:
            await self._gap(f"the saved place in the log cannot be used, reading from the beginning: {error}")
            return
        if file is None:
            self._cursor = None
            await self._gap(f"{self._path}: the file that was being read is gone, what it held last is not known")
            return
        self._open(file)

    async def step(self) -> bool:
        """Read a piece, or find out what comes next; False when there is nothing to do for now. Raises OSError."""
        if self._file is None:
            self._open(await asyncio.to_thread(OpenFile, self._path))
        file = self._file
        if file is None:
            return False
        upto = self._clock()
        data = await asyncio.to_thread(file.read, CHUNK)
        if data:
            await self._deliver(file, data)
        elif await asyncio.to_thread(file.size) < file.position:
            await self._truncated()
        elif self._next or not await self._is_current(file):
            return await self._replaced(file)
        else:
            self._over = 0
            await self._attach()
            if self.asked:
                self.asked = False
                await self._emit(CaughtUp(upto))
            return False
        return True

    async def fail(self, error: OSError) -> None:
        """The path cannot be read now. A file that is open already stays open, it may still be written to."""
        self._missing += 1
        cause = f"{self._path}: {error.strerror or error}"
        if (self._missing >= MISSING or not isinstance(error, FileNotFoundError)) and cause != self._lost:
            self._lost = cause
            self._attached = False
            await self._emit(StreamLost(cause))

    def close(self) -> None:
        """Give the files back."""
        for file in (self._file, *self._next):
            if file is not None:
                file.close()
        self._file = None
        self._next.clear()

    def _open(self, file: OpenFile) -> None:
        if self._file is not None:
            self._file.close()
        self._file = file
        self._splitter = LineSplitter()
        self._half = b""
        self._over = 0

    async def _attach(self) -> None:
        if not self._attached:
            self._attached = True
            self._lost = None
            self.asked = True
            await self._emit(Attached(None, str(self._path)))

    async def _deliver(self, file: OpenFile, data: bytes) -> None:
        self._over = 0
        lines = self._splitter.feed(data)
        cut = data.rfind(b"\n") + 1
        if lines:
            await self._hand_over(file, lines, self._half + data[:cut], file.position - len(data) + cut)
            self._half = b""
        self._half = (self._half + data[cut:])[-WITNESS:]

    async def _hand_over(self, file: OpenFile, lines: list[bytes], passed: bytes, offset: int) -> None:
        await self._attach()
        self._cursor = file.cursor(passed, offset)
        self.asked = True
        await self._emit(LinesRead(None, tuple(map(RawLine, lines)), self._cursor))

    async def _is_current(self, file: OpenFile) -> bool:
        """Whether the path still names the open file. Raises OSError while it names nothing."""
        current = await asyncio.to_thread(file.is_at, self._path)
        self._missing = 0
        return current

    async def _replaced(self, file: OpenFile) -> bool:
        """Go on to the next file, when the old one had a last chance to be written to."""
        self._over += 1
        if self._over < 2:  # noqa: PLR2004 - a second look
            return False
        if not self._next:
            self._next.extend(await asyncio.to_thread(successors, self._path, file, self._cursor))
        if not self._next:
            return False
        if self._half:  # nobody will end this line any more
            await self._hand_over(file, self._splitter.feed(b"\n"), self._half, file.position)
        self._open(self._next.popleft())
        return True

    async def _truncated(self) -> None:
        """Copy and truncate: what we had not read yet is in the copy, if there is one."""
        cursor = self._cursor
        copy = await asyncio.to_thread(reopen, self._path, cursor) if cursor is not None and cursor.offset else None
        if copy is not None:
            self._open(copy)
            return
        self._open(await asyncio.to_thread(OpenFile, self._path))
        await self._gap(f"{self._path}: the file was truncated, what it held last is not known")

    async def _gap(self, cause: str) -> None:
        await self._emit(GapFound(Gap(None, self._clock(), cause)))
