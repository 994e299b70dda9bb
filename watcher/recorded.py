"""Recorded logs: a file, a compressed file, or stdin, in large chunks."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import Final, cast

CHUNK: Final = 512 << 10  # bytes; each chunk has its price, and larger ones leave the processor's cache
_GZIP: Final = b"\x1f\x8b"
_WITH_HEADER: Final = 16 + zlib.MAX_WBITS


class Recorded:
    """One recorded log, open for reading; ``-`` is stdin. Gzip is recognised by its first bytes, whatever the name.

    Raises OSError where it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._file = Path(path).open("rb", buffering=0) if path != "-" else None  # noqa: SIM115  closed by close()
        self._compressed = False
        if self._file is None:
            self._read: Callable[[int], bytes] = cast("BufferedReader", sys.stdin.buffer).read1  # what is there now
            return
        self._read = self._file.read  # unbuffered: a chunk is larger than any buffer, and one copy is enough
        if self._file.seekable():
            self._compressed = self._read(len(_GZIP)) == _GZIP
            self._file.seek(0)

    def close(self) -> None:
        """Close the file; stdin stays open."""
        if self._file is not None:
            self._file.close()

    def chunks(self) -> Iterator[bytes]:
        """The log in pieces of at most ``CHUNK`` bytes, none of them empty.

        Raises OSError, EOFError or zlib.error where it cannot be read to its end; what came before was yielded.
        """
        return self._inflated() if self._compressed else iter(lambda: self._read(CHUNK), b"")

    def _inflated(self) -> Iterator[bytes]:
        inflater, rest = None, b""
        while rest or (rest := self._read(CHUNK)):
            inflater = inflater or zlib.decompressobj(_WITH_HEADER)
            if piece := inflater.decompress(rest, CHUNK):
                yield piece
            rest = inflater.unconsumed_tail
            if inflater.eof:  # of one member; there may be more, and zeros between them
                rest = inflater.unused_data.lstrip(b"\0")
                inflater = None
        if inflater is not None:
            if piece := inflater.flush():
                yield piece
            if not inflater.eof:
                message = "the compressed file is cut off"
                raise EOFError(message)
