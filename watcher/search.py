"""Several byte strings looked for in one pass, with the fastest thing there is.

``ahocorasick_rs`` looks at many bytes per instruction where the texts are few and at least four bytes long. Where it is
not installed, ``bytes.find`` gives the same answer, slower.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest
from operator import itemgetter
from typing import Protocol

try:
    import ahocorasick_rs
except ImportError:  # no wheel for this platform
    ahocorasick_rs = None  # type: ignore[assignment]

Hit = tuple[int, int, int]
"""Which text, and where it begins and ends."""

AT_ONCE = 64  # texts for which the packed search is made
BUCKETS = 8  # in which it puts them by turns; of what shares a bucket it mixes up the first bytes
SHORT = 4  # bytes; one shorter text slows the search for all beside it


class _Finds(Protocol):
    def find(self, buffer: bytes) -> list[Hit]:
        """Where the texts are, in order."""
        ...


class Search:
    """Finds texts in buffers: no two hits of one group overlap, the leftmost is found, then the one named first.

    A text that overlaps one that was found may go unreported: ``hidden`` says which texts that can be.
    """

    def __init__(self, texts: Sequence[bytes], *, native: bool = True) -> None:
        native = native and ahocorasick_rs is not None
        self._groups: list[_Finds] = [
            _Native(texts, group) if native else _Plain(texts, group) for group in _grouped(texts)
        ]

    def find(self, buffer: bytes) -> list[Hit]:
        """Every hit, by where it begins."""
        if len(self._groups) == 1:
            return self._groups[0].find(buffer)
        hits = [hit for group in self._groups for hit in group.find(buffer)]
        hits.sort(key=itemgetter(1))
        return hits


def hidden(texts: Sequence[bytes]) -> list[set[int]]:
    """For each text, the others that may begin inside of it, and so go unreported where it was found."""
    by_first: dict[int, list[int]] = {}
    for number, text in enumerate(texts):
        by_first.setdefault(text[0], []).append(number)
    return [
        {
            other
            for at, first in enumerate(text)
            for other in by_first.get(first, ())
            if other != number and _agree(text[at:], texts[other])
        }
        for number, text in enumerate(texts)
    ]


def _agree(tail: bytes, other: bytes) -> bool:
    return tail.startswith(other) or other.startswith(tail)


def _grouped(texts: Sequence[bytes]) -> Iterator[list[int]]:
    long = [number for number, text in enumerate(texts) if len(text) >= SHORT]
    short = [number for number, text in enumerate(texts) if len(text) < SHORT]
    for numbers in (long, short):
        numbers.sort(key=lambda number: halves(texts[number]))
        for first in range(0, len(numbers), AT_ONCE):
            yield _by_turns(numbers[first : first + AT_ONCE])


def halves(text: bytes) -> tuple[int, ...]:
    """The upper halves of the first bytes, then the lower ones: the packed search looks at these."""
    return (*(byte >> 4 for byte in text[:SHORT]), *(byte & 15 for byte in text[:SHORT]))


def _by_turns(numbers: list[int]) -> list[int]:
    """The same in an order in which neighbours come to lie in one bucket."""
    count = len(numbers)
    buckets = [numbers[turn * count // BUCKETS : (turn + 1) * count // BUCKETS] for turn in range(BUCKETS)]
    return [number for turn in zip_longest(*buckets) for number in turn if number is not None]


class _Native:
    def __init__(self, texts: Sequence[bytes], numbers: list[int]) -> None:
        chosen = [texts[number] for number in numbers]
        self._numbers = numbers if numbers != list(range(len(texts))) else None
        self._automaton = ahocorasick_rs.BytesAhoCorasick(chosen, ahocorasick_rs.MatchKind.LeftmostFirst)

    def find(self, buffer: bytes) -> list[Hit]:
        hits = self._automaton.find_matches_as_indexes(buffer)
        numbers = self._numbers
        return hits if numbers is None else [(numbers[number], start, end) for number, start, end in hits]


class _Plain:
    def __init__(self, texts: Sequence[bytes], numbers: list[int]) -> None:
        self._texts = [(number, texts[number]) for number in numbers]

    def find(self, buffer: bytes) -> list[Hit]:
        hits: list[Hit] = []
        for number, text in self._texts:
            at = buffer.find(text)
            while at >= 0:
                hits.append((number, at, at + len(text)))
                at = buffer.find(text, at + 1)
        hits.sort(key=itemgetter(1))
        return hits
