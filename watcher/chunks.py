"""Chunks of a log into stretches of whole lines, without copies: only a line that a border cuts is put together."""

from __future__ import annotations

from watcher.core.lines import LONGEST_LINE

Stretch = tuple[bytes, int, int]
"""A buffer, and where whole lines begin and end in it; the last one has its newline."""


class WholeLines:
    """Takes a stream of bytes in any pieces. The same bytes hold the same lines in any of them.

    Of a line longer than ``cap`` bytes that a border cuts, the first ``cap`` bytes are kept: memory stays small.
    """

    __slots__ = ("_cap", "_rest")

    def __init__(self, cap: int = LONGEST_LINE) -> None:
        self._cap = cap
        self._rest = bytearray()

    @property
    def rest(self) -> bytes:
        """The unterminated tail: what came after the last newline, at most ``cap`` bytes of it."""
        return bytes(self._rest)

    def join(self, chunk: bytes) -> bytes:
        """The whole lines that ``chunk`` completes in one piece, each with its newline; copied."""
        last = chunk.rfind(b"\n") + 1
        if not last:
            self._keep(chunk)
            return b""
        whole = bytes(self._rest) + chunk[:last] if self._rest else chunk[:last]
        self._rest.clear()
        self._keep(chunk[last:])
        return whole

    def feed(self, chunk: bytes) -> list[Stretch]:
        """The stretches that ``chunk`` completes, in order."""
        first = chunk.find(b"\n") + 1
        if not first:
            self._keep(chunk)
            return []
        stretches: list[Stretch] = []
        if self._rest:
            self._keep(chunk[: first - 1])
            line = bytes(self._rest) + b"\n"
            self._rest.clear()
            stretches.append((line, 0, len(line)))
        else:
            first = 0
        last = chunk.rfind(b"\n") + 1
        if first < last:
            stretches.append((chunk, first, last))
        self._keep(chunk[last:])
        return stretches

    def _keep(self, piece: bytes) -> None:
        self._rest += piece[: self._cap - len(self._rest)]
