"""Lines in one piece of memory, as they came: cut up only where somebody asks for a line.

To know a line again after a reconnect takes its stamp and a hash, which costs more than everything else that is done
with it. Of the lines of a backlog nearly none is ever asked for, and of a new line nobody asks before it was looked at:
so a block keeps the bytes, and makes the keys when they are wanted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import blake2b
from typing import Final

from watcher.core.lines import LONGEST_LINE, SECOND, split_stamp

Key = tuple[int, bytes]
"""A line: its stamp in nanoseconds and eight bytes of a hash of its text."""

_HOUR: Final = len("\n2023-01-05T08:")  # what neighbours share
_UNSTAMPED: Final = re.compile(
    rb"\n(?!\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{0,9})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d) )",
)


def key_of(ns: int, text: bytes) -> Key:
    """The key of a line."""
    return ns, blake2b(text, digest_size=8).digest()


def count_lines(data: bytes) -> int:
    """How many newlines there are. Deleting them is the fastest way to count them: it is done from one to the next."""
    return len(data) - len(data.replace(b"\n", b""))


class Block:
    """Whole lines, each with the runtime's stamp and a newline.

    ``first`` is the stamp of the first one, ``last`` stamp and text of the last one. ``bound`` is no earlier than any
    stamp in it, as far as its ends tell: the runtime may write the lines of a second in any order, and where a block
    ends before it began a clock was set, so that each of its stamps is read.
    """

    __slots__ = ("bound", "count", "data", "first", "last")

    def __init__(self, data: bytes, count: int, first: int, last: tuple[int, bytes]) -> None:
        self.data = data
        self.count = count
        self.first = first
        self.last = last
        self.bound = max(first, last[0])
        if count > 2:  # noqa: PLR2004  else its ends are all of it
            self.bound = last[0] + SECOND if first <= last[0] else max(ns for ns, _ in self.lines())

    @classmethod
    def of(cls, data: bytes) -> Block | None:
        """The block of one whole line or more; None where they must be taken one by one: long, or one has no stamp."""
        size = len(data)
        if size > LONGEST_LINE:
            return None
        end = data.index(b"\n")
        first, text = split_stamp(data[:end])
        if first is None:
            return None
        if end == size - 1:
            return cls(data, 1, first, (first, text))
        last, text = split_stamp(data[data.rfind(b"\n", 0, -1) + 1 : -1])
        if last is None:
            return None
        count = count_lines(data)
        if data.count(b"\n" + data[: _HOUR - 1]) != count - 1 and _UNSTAMPED.search(data, 0, len(data) - 1) is not None:
            return None
        return cls(data, count, first, (last, text))

    def keys(self) -> tuple[Key, ...]:
        """The keys of its lines, in order."""
        return tuple(key_of(ns, text) for ns, text in self.lines())

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Stamp and text of each line, in order."""
        for line in self.data.split(b"\n")[:-1]:
            ns, text = split_stamp(line)
            if ns is not None:
                yield ns, text
