"""From the bytes of one answer of the log API to delivered lines."""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

from watcher.chunks import WholeLines
from watcher.cluster.life import Life
from watcher.cluster.setting import seconds_now
from watcher.cluster.telling import Teller
from watcher.core.blocks import Block, Key
from watcher.core.lines import LONGEST_LINE, moment_of, split_stamp
from watcher.core.resume import Resumption, Sieve

log = logging.getLogger(__name__)

# With what the kubelet's own errors begin; it writes them into the body of an answer that is a 200 already.
KUBELET_ERRORS: Final = (
    b"failed to create fsnotify watcher",
    b"failed to watch file",
    b"failed to try resolving symlinks",
    b"failed to get parse function",
    b"failed to open log file",
    b"unable to retrieve container logs",
    b"rpc error: code =",
    b"context canceled",
    b"context cancelled",
    b"unexpected stream type",
)
SLOWEST_START: Final = 60.0  # seconds from the start of a container to its first line
_HALF_STAMP: Final = re.compile(rb"\d{1,4}(-[\dT:.Z+-]{0,31})?")  # the answer broke off in the middle of it
_TOLD: Final = 200  # bytes of a text that is told to people

Admit = Callable[[datetime], Awaitable[bool]]


class Elsewhere(Exception):
    """The answer is the log of another life than the one that was asked for."""


class Intake:
    """Takes the bytes of one answer and delivers the lines that were not delivered before.

    ``admit`` is asked once, with the stamp of the first new line, when the line that had been delivered last did not
    come back before it: the log was rotated, or it is another life's (False).
    """

    def __init__(self, life: Life, teller: Teller, resumption: Resumption, admit: Admit) -> None:
        self._life = life
        self._teller = teller
        self._admit: Admit | None = admit
        self._whole = WholeLines()
        self._sieve = Sieve(resumption)
        self._strays_told = False
        self._cut_told = False
        self.delivered = 0
        self.remark: str | None = None

    async def take(self, data: bytes, now: float) -> float:
        """Deliver what these bytes complete. Raises Elsewhere, and Trouble where ``admit`` does.

        Returns how many seconds passed since ``now``, when they came: meanwhile nothing was read.
        """
        for whole in _pieces(self._whole.join(data)):
            await self._take_lines(whole, now)
        self._life.last_seen = self._sieve.last_seen or self._life.last_seen
        if self._sieve.strays:
            await self._explain(self._sieve.strays)
            self._sieve.strays = []
        return seconds_now() - now

    async def _take_lines(self, whole: bytes, now: float) -> None:
        first, fresh = self._sift(whole)
        if first is None:
            return
        if not self._sieve.anchored and self._admit is not None:
            if not await self._admit(moment_of(first)):
                raise Elsewhere
            self._admit = None
        if not self.delivered:
            await self._miss_beginning(moment_of(first))
        await self._teller.lines(self._life, fresh, now)
        self.delivered += fresh.count if isinstance(fresh, Block) else len(fresh)

    def _sift(self, whole: bytes) -> tuple[int | None, Block | list[tuple[Key, bytes]]]:
        """The new ones among whole lines, and the stamp of the first; None where there is none.

        While everything is new they stay in one piece.
        """
        block = Block.of(whole) if self._sieve.is_open else None
        if block is not None:
            self._sieve.let_through(block)
            return block.first, block
        lines = whole.split(b"\n")[:-1]
        if len(whole) > LONGEST_LINE:
            lines = self._cut(lines)
        fresh = self._sieve.sift(lines)
        return (fresh[0][0][0] if fresh else None), fresh

    def _cut(self, lines: list[bytes]) -> list[bytes]:
        if not self._cut_told and max(map(len, lines)) >= LONGEST_LINE:
            self._cut_told = True
            log.warning("a line of a mebibyte or more: what is behind that is not looked at")
        return [line[:LONGEST_LINE] for line in lines]

    @property
    def anchored(self) -> bool:
        """Whether the line that had been delivered last came back; false, too, where the answer broke off before it."""
        return self._sieve.anchored

    @property
    def rest(self) -> bytes:
        """What came after the last newline."""
        return self._whole.rest

    @property
    def tail(self) -> bytes:
        """The half line that the answer ended in; empty where there is none."""
        rest = self._whole.rest
        return rest if split_stamp(rest)[0] is not None else b""

    async def take_tail(self, now: float) -> None:
        """Deliver the half line as a line: the container ended without writing its newline."""
        await self.take(b"\n", now)

    def end(self) -> str | None:
        """What the kubelet said in place of more log, None where it said nothing: to be asked at the end."""
        rest = self._whole.rest
        if rest and not self.tail and not _HALF_STAMP.fullmatch(rest):
            self.remark = tell(rest)
        return self.remark

    async def _miss_beginning(self, first: datetime) -> None:
        """Programs say something when they start. What does not begin with that was rotated before we came."""
        if self._life.lacks_beginning(first, SLOWEST_START):
            await self._teller.gap("the beginning of the container's log was rotated away", self._life, first)

    async def _explain(self, strays: list[bytes]) -> None:
        for text in strays:
            if is_kubelet_error(text):
                self.remark = tell(text)
            elif not self._strays_told:
                self._strays_told = True
                await self._teller.gap(f"a text without the runtime's stamp stood in the log: {tell(text)}", self._life)


def _pieces(whole: bytes) -> Iterable[bytes]:
    """Whole lines in pieces that a block can be made of, where their lengths allow it."""
    if len(whole) <= LONGEST_LINE:
        return (whole,) if whole else ()
    return _cut_up(whole)


def _cut_up(whole: bytes) -> Iterator[bytes]:
    at = 0
    while len(whole) - at > LONGEST_LINE and (end := whole.rfind(b"\n", at, at + LONGEST_LINE) + 1):
        yield whole[at:end]
        at = end
    if at < len(whole):
        yield whole[at:]


def is_kubelet_error(text: bytes) -> bool:
    """Whether an unstamped text is a known error of the kubelet or the container runtime."""
    return text.startswith(KUBELET_ERRORS)


def tell(text: bytes) -> str:
    """A piece of a text, for people."""
    return " ".join(text[:_TOLD].decode("utf-8", "backslashreplace").split())
