"""Which lines of a log were delivered already, so that reading on loses none and repeats none.

The log API can only be asked for "everything stamped from this second on". Stamps repeat, run backwards between stdout
and stderr, and jump when a node sets its clock; so a cursor is not a time but the *lines themselves*: a multiset of
(stamp, hash), kept by order of arrival. On a reconnect the API is asked with an overlap, and what comes back is taken
off the multiset, each line as often as it was delivered.

A ``Place`` is a point behind a batch of lines; places are linked backwards, so that any of them can be written down
later (``dump``) although reading went on. A ``Trail`` is the growing chain of one container's log.
"""

from __future__ import annotations

import base64
import struct
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from watcher.core.blocks import Block, Key, key_of
from watcher.core.lines import SECOND, floor_second, split_stamp

__all__ = ["Block", "Key", "Place", "Resumption", "Sieve", "Trail", "key_of"]

MARGIN: Final = 30 * SECOND  # covers a node's clock stepping back by less
LEAST_MARGIN: Final = 2 * SECOND  # stdout and stderr are stamped apart, and out of order by less
KEPT_FOR: Final = 600.0  # seconds after arrival
KEPT_KEYS: Final = 100_000
DUMPED_KEYS: Final = 12_000  # about 256 KiB of text

_FORM: Final = "t1"
_KEY: Final = struct.Struct(">q8s")
_NEVER: Final = -(2**62)  # earlier than any stamp


class Place:
    """Behind a batch of delivered lines. Immutable, but that the oldest places are cut off as time goes by.

    The keys of a block are made when they are asked for; from then on they are kept in its place.
    """

    __slots__ = ("_batch", "_last", "arrived", "before", "count", "forgotten", "top")

    def __init__(
        self, batch: tuple[Key, ...] | Block, arrived: float, before: Place | None, forgotten: int = _NEVER
    ) -> None:
        self._batch = batch
        self.arrived = arrived
        self.before = before
        # the highest stamp ever delivered before this batch: what is known when everything before it is forgotten
        self.forgotten: int = forgotten if before is None else before.top
        self._last: Key | Block | None
        if isinstance(batch, Block):
            self.count = batch.count
            self._last = batch
            top = batch.bound
        else:
            self.count = len(batch)
            self._last = batch[-1] if batch else before.last if before else None
            top = max(batch)[0] if batch else _NEVER
        self.top: int = max(self.forgotten, top)

    @property
    def last(self) -> Key | None:
        """The line that was delivered last; None where none was."""
        if isinstance(self._last, Block):
            self._last = key_of(*self._last.last)
        return self._last

    @last.setter
    def last(self, key: Key | None) -> None:
        self._last = key

    @property
    def keys(self) -> tuple[Key, ...]:
        """The keys of the batch, in order of arrival."""
        if isinstance(self._batch, Block):
            self._batch = self._batch.keys()
            if isinstance(self._last, Block):
                self._last = self._batch[-1]
        return self._batch

    def chain(self) -> Iterator[Place]:
        """This place and those before it that are still remembered, newest first."""
        place: Place | None = self
        while place is not None:
            yield place
            place = place.before

    def dump(self) -> str:
        """The place as text: the last line, from which second on the keys are complete, the keys.

        Written is the largest overlap of at most 30 s whose keys are at most 12,000; the last second always whole.
        """
        if self.last is None:
            kept, complete, last = [key for place in self.chain() for key in place.keys][:DUMPED_KEYS], 0, "-"
        else:
            kept, complete = _choose(self, floor_second(self.last[0]))
            last = _KEY.pack(*self.last).hex()
        packed = b"".join(_KEY.pack(*key) for key in kept)
        return f"{_FORM} {last} {complete // SECOND} {base64.b64encode(packed).decode('ascii')}"


def _choose(end: Place, last: int) -> tuple[list[Key], int]:
    """The keys to write, in order of arrival, and the stamp from which on they are complete."""
    since = floor_second(last - MARGIN)
    forgotten = _NEVER
    kept: list[Key] = []
    for place in end.chain():
        kept.extend(key for key in reversed(place.keys) if key[0] >= since)
        forgotten = place.forgotten
        if forgotten < since:
            break  # nothing older can matter
    counts = Counter(floor_second(ns) for ns, _ in kept)
    total = 0
    for second in sorted(counts, reverse=True):
        total += counts[second]
        if second < last and total > DUMPED_KEYS:
            since = second + SECOND
            break
    kept = [key for key in reversed(kept) if key[0] >= since]
    return kept, max(since, floor_second(forgotten) + SECOND)


@dataclass(frozen=True, slots=True)
class Resumption:
    """How to read on: ask from ``since`` (ns, a whole second; None: from the beginning), and drop what ``seen`` holds.

    ``anchor`` is the line that was delivered last: whatever comes back before it is old, and when it does not come
    back, the stretch after it was lost. ``ambiguous``: the clock stepped back further than the memory reaches, so lines
    from ``since`` on may come twice.
    """

    since: int | None
    seen: Counter[Key]
    anchor: Key | None
    ambiguous: bool = False


class Trail:
    """The delivered lines of one container's log; the newest ten minutes, at most 100,000 of them."""

    __slots__ = ("_count", "_places", "here")

    def __init__(self, start: Place | None = None) -> None:
        self.here = start or Place((), 0.0, None)
        self._places: deque[Place] = deque([self.here])
        self._count = self.here.count

    @classmethod
    def load(cls, text: str, now: float) -> Trail:
        """The trail that ends in a dumped place. ValueError where ``text`` is none."""
        try:
            form, last, complete, packed = text.split(" ")
            keys = tuple((ns, digest) for ns, digest in _KEY.iter_unpack(base64.b64decode(packed, validate=True)))
            start = Place(keys, now, None, int(complete) * SECOND - 1)
            start.last = None if last == "-" else _KEY.unpack(bytes.fromhex(last))
        except (ValueError, struct.error) as error:
            raise ValueError(f"not a place in a log: {error}") from error
        if form != _FORM:
            raise ValueError(f"not a place in a log: form {form!r}, expected {_FORM!r}")
        return cls(start)

    def after(self, batch: Iterable[Key] | Block, now: float) -> Place:
        """The place behind these lines too; nothing is noted yet. ``now``: seconds of a clock that never steps back."""
        return Place(batch if isinstance(batch, Block) else tuple(batch), now, self.here)

    def move_to(self, place: Place) -> None:
        """Note that the lines before ``place``, which ``after`` gave, were delivered."""
        self.here = place
        self._places.append(place)
        self._count += place.count
        while len(self._places) > 1 and (self._count > KEPT_KEYS or self._places[0].arrived < place.arrived - KEPT_FOR):
            self._count -= self._places.popleft().count
            self._places[0].before = None

    def holds(self, key: Key, since: Place | None = None) -> bool:
        """Whether this line was delivered (after ``since`` only), as far back as is remembered."""
        if since is None and self.here.last == key:
            return True
        return any(key in place.keys for place in self._places_after(since))

    def _places_after(self, since: Place | None) -> Iterator[Place]:
        return takewhile(lambda place: place is not since, self.here.chain())

    def resume(self, margin: int = MARGIN) -> Resumption:
        """How to read on in the log of the same container, with an overlap of ``margin`` ns."""
        last = self.here.last
        if last is None:
            return Resumption(None, Counter(self._keys()), None)
        edge = floor_second(last[0])
        since = max(floor_second(last[0] - margin), floor_second(self._places[0].forgotten) + SECOND)
        ambiguous = since > edge
        return self._from(min(since, edge), ambiguous=ambiguous)

    def next(self, since: float) -> Trail:
        """The trail of the next container's log, which has delivered nothing yet.

        Lines that arrived after ``since`` may have been its own already (a status can lag behind the kubelet); they
        are remembered, so that they do not come twice.
        """
        late = [place for place in self.here.chain() if place.arrived >= since]
        keys = tuple(key for place in reversed(late) for key in place.keys)
        start = Place(keys, self.here.arrived, None)
        start.last = None
        return Trail(start)

    def rewind(self, ns: int) -> Resumption:
        """How to read on from a stamp of our choice, after the node's clock stepped back beyond the overlap."""
        return self._from(floor_second(ns), ambiguous=True)

    def _from(self, since: int, *, ambiguous: bool) -> Resumption:
        last = self.here.last
        anchor = last if last is not None and last[0] >= since else None
        return Resumption(since, Counter(key for key in self._keys() if key[0] >= since), anchor, ambiguous)

    def _keys(self) -> Iterator[Key]:
        return (key for place in self._places for key in place.keys)


class Sieve:
    """Lets through the lines of one connection that were not delivered before it was opened.

    A line without a stamp is never a line of the log: right after a resume it is the end of a long line whose beginning
    lies before ``since`` (delivered, under its own stamp); anywhere else it is collected in ``strays``.
    """

    __slots__ = ("_fresh", "_left", "_resumption", "_seen", "anchored", "last_seen", "skipped", "strays")

    def __init__(self, resumption: Resumption) -> None:
        self._resumption = resumption
        self._seen = resumption.seen.copy()
        self._left = resumption.seen.total()
        self._fresh = resumption.since is not None
        self.anchored = resumption.anchor is None
        self.skipped = 0
        self.strays: list[bytes] = []
        self.last_seen: tuple[int, bytes] | None = None  # stamp and text of the last line that came, new or not

    @property
    def is_open(self) -> bool:
        """Whether everything that was delivered before has come back: every line that comes now is new."""
        return self.anchored and not self._left and not self._fresh

    def let_through(self, block: Block) -> None:
        """Note that these lines came, while the sieve is open."""
        self.last_seen = block.last

    def sift(self, lines: Iterable[bytes]) -> list[tuple[Key, bytes]]:
        """The new ones among ``lines``, with their keys and without their stamps, in order of arrival.

        When the first new line came and ``anchored`` is still false, the log lost what was between.
        """
        fresh: list[tuple[Key, bytes]] = []
        seen, anchor = self._seen, self._resumption.anchor
        since = self._resumption.since
        for line in lines:
            ns, text = split_stamp(line)
            if ns is None:
                if not self._fresh:
                    self.strays.append(line)
                self._fresh = False
                continue
            self._fresh = False
            key = key_of(ns, text)
            self.last_seen = ns, text
            if seen and seen.get(key, 0) > 0:
                seen[key] -= 1
                self._left -= 1
                self.skipped += 1
                self.anchored = self.anchored or key == anchor
            elif not self.anchored and since is not None and ns < since:
                self.skipped += 1  # a server that does not know sinceTime
            else:
                fresh.append((key, text))
        return fresh
