r"""Marks: the byte strings that are looked for in a raw log, so that only lines that hold one need to be read.

A line is read by its patterns as text, without its envelope; marks are looked for in its bytes, envelope and all. So a
mark is chosen such that whatever stands in the text stands in the bytes too, unless the line is ``scan.py``'s business:

- A byte that is no UTF-8 is read as ``\xff``, so reading can invent ``\``, ``x`` and two digits: no mark begins with
  one of these, none holds a backslash.
- In JSON, quotes, backslashes and control characters are escaped: no mark holds one. (Other escapes begin with ``\u``
  or are ``\/``: such lines are always read.)
- Colours may stand anywhere in a line: ``scan.py`` reads lines where taking them off could bring a mark about.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import reduce
from operator import or_

from watcher.literals import Texts
from watcher.profile import Profile
from watcher.search import SHORT, hidden

LEAST = 3  # bytes of a mark
LONGEST = 32  # bytes; a longer one finds nothing else
SAMPLE = 32 << 10  # bytes of a log that are looked at to see which marks are rare in it

# What the prices of a choice are measured in: bytes that begin like a mark (the search must look closer) cost one.
_PRICE_OF_HIT = 50  # a line is cut out and read
_PRICE_OF_ANOTHER_SEARCH = 500  # a mark is too short to be looked for beside others
_PRICE_OF_SHORTNESS = 200  # divided by the length: what is rare in the sample may be common elsewhere

_USABLE = re.compile(r"""[^"\\\x00-\x1f\x7f-\x9f\ufffd\ud800-\udfff]+""")
_INVENTED = frozenset("x0123456789abcdef")


@dataclass(frozen=True, slots=True)
class Marks:
    """What to look for. A set of patterns is an int with one bit for each, the first pattern's the lowest.

    ``owners`` are, by mark, the patterns that may match a line in which it was found (0: only an anchor). ``always``
    are the patterns that no mark announces. Where they, or an anchor, need it, ``every_line`` must be read.
    """

    texts: tuple[bytes, ...]
    owners: tuple[int, ...]
    always: int
    every_line: bool


def choose_marks(profile: Profile, sample: bytes = b"") -> Marks:
    """The marks for a profile: the rarest in ``sample``, a piece of the log. What is found never depends on it."""
    prices = _Prices(sample[:SAMPLE] or _own_sample(profile))
    owners: dict[bytes, int] = {}
    always, every_line = 0, False
    for number, pattern in enumerate(profile.patterns):
        chosen = prices.cheapest(pattern.required)
        if chosen is None:
            always |= 1 << number
            every_line = True
        for mark in chosen or ():
            owners[mark] = owners.get(mark, 0) | 1 << number
    for anchor in profile.anchors:
        chosen = prices.cheapest([frozenset({anchor})])
        every_line = every_line or chosen is None
        for mark in chosen or ():
            owners.setdefault(mark, 0)
    _merge(owners)
    texts = tuple(owners)
    announced = tuple(
        reduce(or_, (owners[texts[other]] for other in others), owners[text])
        for text, others in zip(texts, hidden(texts), strict=True)
    )
    return Marks(texts, announced, always, every_line)


def unmarked_patterns(profile: Profile) -> list[str]:
    """The ids of the patterns that have no mark: each line of a log must be read for their sake."""
    always = choose_marks(profile).always
    return [pattern.id for number, pattern in enumerate(profile.patterns) if always >> number & 1]


def _merge(owners: dict[bytes, int]) -> None:
    """Do without marks that hold another mark: where the longer one stands the line is read anyway."""
    for longer in sorted(owners, key=len, reverse=True):
        shorter = next((each for each in owners if each != longer and each in longer), None)
        if shorter is not None:
            owners[shorter] |= owners.pop(longer)


def _own_sample(profile: Profile) -> bytes:
    return "\n".join(line for pattern in profile.patterns for line in pattern.samples).encode(errors="replace")


class _Prices:
    """What it costs to look for a text, by how often it stands in a sample of the log."""

    def __init__(self, sample: bytes) -> None:
        self._sample = sample
        self._heads = Counter(sample[at : at + SHORT] for at in range(len(sample)))
        self._size = len(sample) + 1
        self._upper, self._lower = [1 / self._size] * 16, [1 / self._size] * 16  # never 0: the sample is small
        for byte, count in Counter(sample).items():
            self._upper[byte >> 4] += count / self._size
            self._lower[byte & 15] += count / self._size

    def cheapest(self, sets: Iterable[Texts]) -> list[bytes] | None:
        """The marks for the set that costs least; None where no set has a mark for each of its texts."""
        best: list[bytes] | None = None
        least = 0.0
        for texts in sets:
            marks = [self._mark(text) for text in sorted(texts)]
            usable = [mark for mark in marks if mark is not None]
            if len(usable) < len(marks):
                continue
            price = sum(map(self._price, usable))
            if best is None or price < least:
                best, least = usable, price
        return best

    def _mark(self, text: str) -> bytes | None:
        return min(_cuts(text), key=lambda mark: (len(mark) < SHORT, self._stops(mark[:SHORT])), default=None)

    def _price(self, mark: bytes) -> float:
        if len(mark) < SHORT:
            return _PRICE_OF_HIT * self._sample.count(mark) + _PRICE_OF_ANOTHER_SEARCH
        hits = self._sample.count(mark) if mark[:SHORT] in self._heads else 0
        return _PRICE_OF_HIT * hits + self._stops(mark[:SHORT]) + _PRICE_OF_SHORTNESS / len(mark)

    def _stops(self, head: bytes) -> float:
        """How often the search stops at this beginning, or at what looks like it to the packed search.

        That compares halves of bytes, of several marks at a time, so that it takes the halves of one for those of
        another. The upper halves are few and tell more.
        """
        likeness = 1.0
        for byte in head:
            likeness *= self._upper[byte >> 4] ** 2 * self._lower[byte & 15]
        return self._heads[head] + self._size * likeness


def _cuts(text: str) -> Iterator[bytes]:
    """Every mark that ``text`` could be found by, the longest first."""
    for part in _USABLE.findall(text):
        for at, char in enumerate(part):
            if char not in _INVENTED:
                mark = part[at : at + LONGEST].encode()[:LONGEST]
                if len(mark) >= LEAST:
                    yield mark
