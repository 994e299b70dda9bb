"""The matcher on whole chunks of a log: looks for marks in the raw bytes, and reads only the lines that hold one.

What comes out is what ``Matcher`` would say of the same lines one by one. A log is mostly lines that say nothing of a
repair, and it costs more to cut, decode and unwrap such a line than to search a thousand of them for a mark.

Three things in a line can hide a mark from the search (``marks.py``): colours inside of a word, escapes in JSON, and
that another mark overlaps it. The first two are looked for here, and such lines are read by every pattern; the third is
in ``Marks.owners``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from operator import itemgetter

from watcher.core.blocks import Block
from watcher.core.envelopes import INFO_OR_LOWER, Envelope, unwrap, unwrap_lines
from watcher.core.events import Epoch, LogRead
from watcher.core.lines import moment_of, split_stamp
from watcher.marks import choose_marks
from watcher.matcher import Matcher, Reading, text_of, text_of_lines
from watcher.pattern import Pattern
from watcher.search import Hit, Search
from watcher.sources import BlockLines, LinesRead, RawLine

AT_ONCE = 512  # lines that are read in one go; of a chunk full of short ones all would take much memory
GOOD_SAMPLE = 16 << 10  # bytes of a log that say which marks are rare in it

_ESCAPE = re.compile(rb"\\[u/]")  # how JSON may write any character
_COLOURS = rb"\x1b\[[0-9;]*[A-Za-z](?:\x1b\[[0-9;]*[A-Za-z])*"  # what ``unwrap`` takes off

# A line that states level info or lower holds one of these: the level as a word, klog's letter, an escape.
_MAY_BE_INFO = re.compile(rb"(?i:inf|dbg|debug|trc|trace)|I\d{4} \d\d:|\\u|\x1b")
# A line that is stamped holds one of these: a stamp that ends a word, JSON's key for it, an escape.
_MAY_BE_STAMPED = re.compile(
    rb"T\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z(?:\d\d:\d\d)?|[+-]\d\d:?\d\d)(?=[ \t\r\n\v\f\xe2\x1b]|\Z)"
    rb'|"(?:time|ts)"|\\u|\x1b'
)
_TRIES = 3  # lines at the end of a chunk that are asked for a stamp before the chunk is searched for one

Span = tuple[int, int, tuple[Pattern, ...]]
"""A line that may matter: where it begins and ends in the buffer (without its newline), and what may match it."""


class Scanner:
    """Reads a log in chunks, by the profile and the patience of ``matcher``. Any bytes will do; nothing makes it fail.

    Marks are chosen anew by the first chunk that is large enough to tell what is rare in this log. ``native`` False:
    without the native search.
    """

    def __init__(self, matcher: Matcher, *, native: bool = True) -> None:
        self.matcher = matcher
        self._native = native
        self._tuned = False
        self._chosen = False

    def _tune(self, sample: bytes) -> None:
        """Choose the marks that are rare in ``sample``, a piece of the log. It changes how fast things are found."""
        good = len(sample) >= GOOD_SAMPLE
        if not self._chosen or (good and not self._tuned):
            self._choose(sample if good else b"")

    def read(self, buffer: bytes, start: int, end: int) -> Iterator[Reading]:
        """What there is to say of the lines in ``buffer[start:end]``: readings that matched or nearly did, in order.

        Whole lines stand there, each with its newline.
        """
        for readings, _ in self._read(buffer, start, end, silent=False):
            yield from readings

    def read_telling(self, buffer: bytes, start: int, end: int) -> Iterator[tuple[list[Reading], int]]:
        """As ``read``, in pieces, each with the number of its lines that are left out: they could not move a repair."""
        return self._read(buffer, start, end, silent=True)

    def _read(self, buffer: bytes, start: int, end: int, *, silent: bool) -> Iterator[tuple[list[Reading], int]]:
        find, reading_of = self.matcher.find, self.matcher.reading
        found_spans = self._spans(buffer, start, end)
        while spans := list(islice(found_spans, AT_ONCE)):
            readings: list[Reading] = []
            left_out = 0
            # To decode and unwrap all of them at once costs half of what it costs to do it one by one.
            texts = unwrap_lines(text_of_lines([buffer[first:last] for first, last, _ in spans]))
            for parts, (_, _, patterns) in zip(texts, spans, strict=True):
                finding = by, found, _ = find(parts[0], parts[1], patterns)
                if found is not None and silent and by is not None and not by.tells:
                    left_out += 1
                    continue
                reading = reading_of(Envelope(*parts), finding)
                if found is not None or reading.near_miss:
                    readings.append(reading)
            yield readings, left_out

    def read_lines(self, read: LinesRead) -> LogRead:
        """Read lines in order of arrival: their facts, and the counts that go with them (``info_lines``: 1 for any)."""
        if isinstance(read.lines, BlockLines):
            return self._read_block(read.lines.block, read.epoch)
        return self.read_batch(read.lines, read.epoch)

    def _read_block(self, block: Block, epoch: Epoch | None) -> LogRead:
        """As ``read_batch``, of lines that still bear the runtime's stamps."""
        data = block.data
        facts, near_missed, info = [], 0, False
        at = moment_of(block.last[0])
        for first, last, patterns in self._spans(data, 0, len(data)):
            ns, text = block.last if last == len(data) - 1 else split_stamp(data[first:last])
            if ns is None:
                continue
            reading = self.matcher.read(text, at if ns == block.last[0] else moment_of(ns), patterns)
            near_missed += reading.near_miss
            info = info or reading.is_info
            if (fact := reading.fact) is not None:
                facts.append(fact)
        info_lines = int(info or states_info(data, 0, len(data), stamped=True))
        return LogRead(epoch, tuple(facts), block.count, len(facts), near_missed, info_lines, at)

    def read_batch(self, lines: Sequence[RawLine], epoch: Epoch | None = None) -> LogRead:
        """Read lines of one epoch's log in order of arrival: their facts, and the counts that go with them."""
        buffer = b"\n".join([*(line.text for line in lines), b""])
        end = len(buffer)
        facts, near_missed, info = [], 0, False
        number = upto = 0
        for first, _, patterns in self._spans(buffer, 0, end):
            number += buffer.count(b"\n", upto, first)
            upto = first
            reading = self.matcher.read(lines[number].text, lines[number].at, patterns)
            near_missed += reading.near_miss
            info = info or reading.is_info
            if (fact := reading.fact) is not None:
                facts.append(fact)
        stamped = lines[-1].at if lines else None
        last = stamped or _last_of_batch(lines)
        info_lines = int(info or states_info(buffer, 0, end))
        return LogRead(epoch, tuple(facts), len(lines), len(facts), near_missed, info_lines, last)

    # ---- lines that may matter

    def _spans(self, buffer: bytes, start: int, end: int) -> Iterator[Span]:
        self._tune(buffer)
        self.matcher.begin_batch()
        hits = self._search.find(buffer)
        if b"\\" in buffer or b"\x1b" in buffer:
            odd = [(-1, at, at) for at in self._odd(buffer, start, end)]
            hits = sorted([*hits, *odd], key=itemgetter(1))
        return (self._each if self._every_line else self._marked)(buffer, start, end, hits)

    def _marked(self, buffer: bytes, start: int, end: int, hits: Sequence[Hit]) -> Iterator[Span]:
        find, rfind, known, owners = buffer.find, buffer.rfind, self._known, self._owners
        first = last = chosen = -1
        for mark, at, _ in hits:
            if at < last:  # in the same line
                chosen |= owners[mark]
                continue
            if at < start:
                continue
            if last >= 0:
                yield first, last, known.get(chosen) or self._of(chosen)
                last = -1
            if at >= end:
                return
            first, last, chosen = rfind(b"\n", start, at) + 1 or start, find(b"\n", at, end), owners[mark]
        if last >= 0:
            yield first, last, known.get(chosen) or self._of(chosen)

    def _each(self, buffer: bytes, start: int, end: int, hits: Sequence[Hit]) -> Iterator[Span]:
        """Every line, because of a pattern or an anchor without a mark."""
        spans = self._marked(buffer, start, end, hits)
        upcoming = next(spans, None)
        first = start
        while first < end:
            last = buffer.find(b"\n", first, end)
            if upcoming is not None and upcoming[0] == first:
                yield upcoming
                upcoming = next(spans, None)
            else:
                yield first, last, self._of(0)
            first = last + 1

    def _of(self, owners: int) -> tuple[Pattern, ...]:
        """The patterns of a set, and those that no mark announces, in the order in which they are tried."""
        if owners not in self._known:
            chosen = owners | self._always
            patterns = self.matcher.profile.patterns
            self._known[owners] = tuple(each for number, each in enumerate(patterns) if chosen >> number & 1)
        return self._known[owners]

    def _odd(self, buffer: bytes, start: int, end: int) -> Iterator[int]:
        """Places in lines that the search may have missed although a pattern matches."""
        if b"\\" in buffer:
            yield from _escapes(buffer, start, end)
        if b"\x1b" in buffer:
            for found in self._within_colours.finditer(buffer, start, end):
                at = found.start()
                if buffer[at - 1 : at] + buffer[found.end() : found.end() + 1] in self._pairs:
                    yield at

    # ---- marks

    def _choose(self, sample: bytes) -> None:
        marks = choose_marks(self.matcher.profile, sample)
        self._chosen, self._tuned = True, bool(sample)
        self._search = Search(marks.texts, native=self._native)
        # The last one is for lines in which the search may have missed something: every pattern.
        self._owners = (*marks.owners, (1 << len(self.matcher.profile.patterns)) - 1)
        self._always = marks.always
        self._every_line = marks.every_line
        self._known: dict[int, tuple[Pattern, ...]] = {}
        # A mark comes about where colours are taken off only if its bytes on both sides of them meet.
        self._pairs = {text[at : at + 2] for text in marks.texts for at in range(len(text) - 1)}
        second = b"".join(sorted({b"\\x%02x" % pair[1] for pair in self._pairs}))
        self._within_colours = re.compile(_COLOURS + (b"(?=[%s])" % second if second else b"(?!)"))


def _escapes(buffer: bytes, start: int, end: int) -> Iterator[int]:
    """Where a line that may be JSON writes a character as an escape, once a line."""
    at = start
    while (found := _ESCAPE.search(buffer, at, end)) is not None:
        first = buffer.rfind(b"\n", start, found.start()) + 1
        at = found.end()
        if buffer.find(b"{", max(first, start), found.start()) >= 0:
            yield found.start()
            at = buffer.find(b"\n", at, end)


# ---- what is asked of whole chunks ----------------------------------------------------------------------------------


def states_info(buffer: bytes, start: int, end: int, *, stamped: bool = False) -> bool:
    """Whether any line of ``buffer[start:end]`` states level info or lower; ``stamped``: behind the runtime's stamp."""
    at = start
    while at < end and (found := _MAY_BE_INFO.search(buffer, at, end)) is not None:
        envelope, at = _around(buffer, start, end, found.start(), stamped=stamped)
        if envelope.level in INFO_OR_LOWER:
            return True
    return False


def last_stamp(buffer: bytes, start: int, end: int) -> datetime | None:
    """The stamp of the last line of ``buffer[start:end]`` that has one: the runtime's, else the program's own."""
    upto = end
    for _ in range(_TRIES):
        if upto <= start:
            return None
        first = buffer.rfind(b"\n", start, upto - 1) + 1 or start
        envelope, _ = _around(buffer, start, end, first)
        at = envelope.runtime_at or envelope.at
        if at is not None:
            return at
        upto = first
    for found in reversed(list(_MAY_BE_STAMPED.finditer(buffer, start, upto))):
        envelope, _ = _around(buffer, start, upto, found.start())
        at = envelope.runtime_at or envelope.at
        if at is not None:
            return at
    return None


def _around(buffer: bytes, start: int, end: int, at: int, *, stamped: bool = False) -> tuple[Envelope, int]:
    """The envelope of the line that holds place ``at``, and where the next line begins."""
    first = buffer.rfind(b"\n", start, at) + 1 or start
    last = buffer.find(b"\n", at, end)
    line = buffer[first:last]
    return unwrap(text_of(split_stamp(line)[1] if stamped else line)), last + 1


def _last_of_batch(lines: Iterable[RawLine]) -> datetime | None:
    for line in reversed(list(lines)):
        if line.at is not None:
            return line.at
        envelope = unwrap(text_of(line.text))
        if envelope.runtime_at or envelope.at:
            return envelope.runtime_at or envelope.at
    return None
