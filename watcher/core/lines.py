"""Bytes into lines, and the stamp that the container runtime puts in front of each.

Only a newline ends a line: CR, NUL, U+2028 and broken UTF-8 are content. Nothing here knows more of Kubernetes than the
form of its stamps (``timestamps=true``); which lines were seen already is the business of ``resume.py``.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

SECOND: Final = 1_000_000_000  # in nanoseconds
LONGEST_LINE: Final = 1024 * 1024  # in bytes, stamp included

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_STAMP: Final = re.compile(
    rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{0,9}))?(?:Z|([+-])([01]\d|2[0-3]):([0-5]\d)) ",
)


class LineSplitter:
    """Cuts a stream of bytes into lines, whatever the pieces in which it arrives.

    A line longer than ``cap`` bytes is delivered as its first ``cap`` bytes, the rest up to the newline is dropped and
    ``truncated`` counts it. The same bytes give the same lines in any chunking.
    """

    __slots__ = ("_cap", "_rest", "_too_long", "truncated")

    def __init__(self, cap: int = LONGEST_LINE) -> None:
        self._cap = cap
        self._rest = bytearray()
        self._too_long = False
        self.truncated = 0

    @property
    def rest(self) -> bytes:
        """The unterminated tail: what came after the last newline, at most ``cap`` bytes of it."""
        return bytes(self._rest)

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that ``data`` completes, without their newlines."""
        pieces = data.split(b"\n")
        tail = pieces.pop()
        if pieces:
            self._keep(pieces[0])
            pieces[0] = self._take()
            for number in range(1, len(pieces)):
                if len(pieces[number]) > self._cap:
                    pieces[number] = pieces[number][: self._cap]
                    self.truncated += 1
        self._keep(tail)
        return pieces

    def _keep(self, piece: bytes) -> None:
        room = self._cap - len(self._rest)
        self._rest += piece[:room]
        self._too_long = self._too_long or len(piece) > room

    def _take(self) -> bytes:
        line = bytes(self._rest)
        self._rest.clear()
        self.truncated += self._too_long
        self._too_long = False
        return line


def split_stamp(line: bytes) -> tuple[int | None, bytes]:
    """The runtime's stamp in nanoseconds since 1970 UTC, and the text behind the one space that follows it.

    The stamp is RFC 3339 with no fraction or up to nine digits of one, and ``Z`` or an offset (runtimes stamp in the
    zone of their node). A line that does not begin with exactly that gives None and the whole line.
    """
    found = _STAMP.match(line)
    if found is None:
        return None, line
    clock, fraction, sign, hours, minutes = found.groups()
    seconds = _seconds(clock)
    if seconds is None:
        return None, line
    if sign is not None:
        ahead = int(hours) * 3600 + int(minutes) * 60
        seconds += ahead if sign == b"-" else -ahead
    return seconds * SECOND + (int(fraction.ljust(9, b"0")) if fraction else 0), line[found.end() :]


@lru_cache(maxsize=64)  # neighbours in a log share their second
def _seconds(clock: bytes) -> int | None:
    try:
        moment = datetime.fromisoformat(clock.decode("ascii"))
    except ValueError:
        return None  # the thirteenth month
    return (moment.replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)


def moment_of(ns: int) -> datetime:
    """Nanoseconds since 1970 as an aware datetime in UTC, cut down to whole microseconds."""
    return _EPOCH + timedelta(microseconds=ns // 1000)


def floor_second(ns: int) -> int:
    """``ns`` cut down to the whole second, in nanoseconds: all that ``sinceTime`` can tell apart."""
    return ns - ns % SECOND
