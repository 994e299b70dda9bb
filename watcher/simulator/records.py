"""The log of one life of a container, as a container runtime writes it: CRI records in a file that can be rotated."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

PIECE = 16 * 1024
"""containerd cuts lines into records of at most this many bytes (``max_container_log_line_size``)."""

Clock = Callable[[], int]
"""Nanoseconds since 1970, UTC."""


@dataclass(frozen=True, slots=True)
class Record:
    """One CRI record. ``full`` is its tag: F ends a line, P does not. ``stamp``: nanoseconds since 1970."""

    stamp: int
    text: bytes
    full: bool = True
    stream: str = "stderr"

    @property
    def content(self) -> bytes:
        """What a reader gets of this record: the text, with a newline where the line ends."""
        return self.text + b"\n" if self.full else self.text


class ContainerLog:
    """Everything one life of a container wrote. Only the records since the last rotation can be read anew."""

    def __init__(self, clock: Clock = time.time_ns) -> None:
        self._clock = clock
        self._records: list[Record] = []
        self._generation = 0
        self._file_start = 0
        self._horizons: dict[int, int] = {}
        self._changed = asyncio.Event()
        self.closed = False

    def write(self, line: bytes, *, stamp: int | None = None, stream: str = "stderr", newline: bool = True) -> None:
        """Log one line, in as many records as it needs. Without ``newline`` its last record is partial, too."""
        stamp = self._clock() if stamp is None else stamp
        cuts = [*range(0, len(line), PIECE), len(line)] if line else [0, 0]
        pieces = [line[start:end] for start, end in pairwise(cuts)]
        for number, piece in enumerate(pieces, start=1):
            self._append(Record(stamp, piece, newline and number == len(pieces), stream))
        self._notify()

    def write_record(self, record: Record) -> None:
        """Log one record as it is."""
        self._append(record)
        self._notify()

    def _append(self, record: Record) -> None:
        if self.closed:
            msg = "the container is dead, it cannot write"
            raise ValueError(msg)
        self._records.append(record)

    def rotate(self, *, followers_stuck: bool = False) -> None:
        """Begin a new file; what was written before can't be requested any more.

        Open followers read on, or stay at the old file for ever (``followers_stuck``, as a kubelet before 1.29 did).
        """
        if followers_stuck:
            for generation in range(self._generation + 1):
                self._horizons.setdefault(generation, len(self._records))
        self._generation += 1
        self._file_start = len(self._records)

    def close(self) -> None:
        """The container is dead: followers come to the end."""
        self.closed = True
        self._notify()

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        """Wait until something is written, or the log is closed."""
        await self._changed.wait()

    def open(self) -> Reader:
        """A reader at the beginning of the current file."""
        return Reader(self, self._file_start, self._generation)

    def end(self, generation: int) -> int:
        """The position behind the last record that a reader which began in ``generation`` can see."""
        return self._horizons.get(generation, len(self._records))

    def between(self, start: int, end: int) -> list[Record]:
        """The records from position ``start`` to before ``end``."""
        return self._records[start:end]

    def is_stuck(self, generation: int) -> bool:
        """True when a reader that began in ``generation`` will never see anything new, nor an end."""
        return generation in self._horizons


class Reader:
    """A place in a log; goes on through rotations."""

    def __init__(self, log: ContainerLog, position: int, generation: int) -> None:
        self._log = log
        self._position = position
        self._generation = generation

    def take(self, most: int = 500) -> list[Record]:
        """The next records, at most ``most``; none when all that is there was read."""
        start = self._position
        self._position = min(start + most, self._log.end(self._generation))
        return self._log.between(start, self._position)

    def keep_last(self, count: int) -> None:
        """Skip all but the last ``count`` records that are there now (``tailLines`` counts records, not lines)."""
        self._position = max(self._position, self._log.end(self._generation) - count)

    async def more(self) -> bool:
        """Wait for more; False when the log has come to its end."""
        if self._log.is_stuck(self._generation):
            await asyncio.Event().wait()
        if self._log.closed:
            return False
        await self._log.changed()
        return True
