"""From raw log lines to facts, by the patterns of one profile."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import regex

from watcher.core.envelopes import INFO_OR_LOWER, Envelope, unwrap
from watcher.core.events import Epoch, Fact, LogRead
from watcher.core.facts import FieldError
from watcher.pattern import Pattern
from watcher.profile import Profile
from watcher.sources import LinesRead, RawLine

log = logging.getLogger("watcher")

MAX_MATCHED = 64 << 10  # bytes of a line that are looked at; a progress line has some hundred
TIMEOUT = 0.1  # seconds that one pattern may spend on one line
MOST_TIMEOUTS = 10  # of one pattern in one batch of lines


@dataclass(slots=True)  # not frozen: one is made for every line that is read, and that would double its price
class Reading:
    """What became of one line.

    ``by`` and ``found`` are set where a pattern matched. ``near_miss`` is set where none did, although the line holds
    an anchor of the profile or a pattern matched words that are no values (an impossible date): then ``by`` is that
    pattern, ``found`` None and ``problem`` the reason. ``stamped`` is the runtime's stamp where the source took it off
    the line.
    """

    envelope: Envelope
    stamped: datetime | None = None
    by: Pattern | None = None
    found: regex.Match[str] | None = None
    near_miss: bool = False
    problem: str | None = None

    @property
    def at(self) -> datetime | None:
        """When the line was written: the runtime's stamp, else the program's own, else None."""
        return self.stamped or self.envelope.runtime_at or self.envelope.at

    @property
    def matched(self) -> bool:
        """True where a pattern of the profile matched."""
        return self.found is not None

    @property
    def pattern(self) -> str | None:
        """The id of ``by``."""
        return None if self.by is None else self.by.id

    @property
    def tells(self) -> bool:
        """False where the line could not move a repair, whatever it says."""
        return self.by is not None and self.by.tells

    @property
    def fact(self) -> Fact | None:
        """What the line says; made anew at each call, for most lines that match say nothing that anybody needs."""
        if self.by is None or self.found is None:
            return None
        runtime_at = self.stamped or self.envelope.runtime_at
        at = runtime_at or self.envelope.at
        return self.by.fact(self.envelope, self.found, at, stamped_by_runtime=runtime_at is not None)

    @property
    def level(self) -> str | None:
        """The level that the line states: trace, debug, info, warning, error, fatal, or None."""
        return self.envelope.level

    @property
    def is_info(self) -> bool:
        """True where the line states level info or lower: the log level does not hide progress."""
        return self.envelope.level in INFO_OR_LOWER


Finding = tuple[Pattern | None, regex.Match[str] | None, str | None]
"""``by``, ``found`` and ``problem`` of a ``Reading``."""


def text_of(raw: bytes) -> str:
    r"""The text of a line: its first ``MAX_MATCHED`` bytes, and ``\xff`` where a byte is no UTF-8."""
    return raw[:MAX_MATCHED].decode("utf-8", errors="backslashreplace")


def text_of_lines(raw: Sequence[bytes]) -> str:
    """``text_of`` each line, with a newline between each two: no character that is cut off reaches across one."""
    return b"\n".join([line[:MAX_MATCHED] for line in raw]).decode("utf-8", errors="backslashreplace")


class Matcher:
    """Reads lines by a profile. Nothing in a line makes it fail.

    A pattern that does not come to an end within ``timeout`` seconds on a line counts as not matching it; ``timeouts``
    counts these by pattern, for people. On ``MOST_TIMEOUTS`` lines of a batch (``begin_batch``) at the most:
    on the others it is not tried, for whoever reads a batch does nothing else meanwhile.
    """

    def __init__(self, profile: Profile, timeout: float = TIMEOUT) -> None:
        self.profile = profile
        self.timeouts: Counter[str] = Counter()
        self._timeout = timeout
        self._of_batch: Counter[str] | None = None
        self._given_up: set[str] = set()

    def begin_batch(self) -> None:
        """Lines come that are read in one go: patterns that were given up on are tried again."""
        if self._of_batch is None:
            self._of_batch = Counter()
        elif self._of_batch:
            self._of_batch.clear()
            self._given_up.clear()

    def read(self, raw: bytes, at: datetime | None = None, patterns: Iterable[Pattern] | None = None) -> Reading:
        """Read one line (without its newline); ``at`` is the runtime's stamp where the source took it off.

        ``patterns`` are, in their order, those that may match; None: every one of the profile.
        """
        envelope = unwrap(text_of(raw))
        return self.reading(envelope, self.find(envelope.message, envelope.level, patterns), at)

    def find(self, message: str, level: str | None, patterns: Iterable[Pattern] | None = None) -> Finding:
        """What the patterns say of a message: the most of its ``Reading``, at a fraction of the price."""
        failed: Pattern | None = None
        problem: str | None = None
        for pattern in self.profile.patterns if patterns is None else patterns:
            if pattern.literal is not None and pattern.literal not in message:
                continue
            if pattern.levels and level not in pattern.levels:
                continue
            if self._given_up and pattern.id in self._given_up:
                continue
            try:
                found = pattern.search(message, self._timeout)
                if found is None:
                    continue
                if pattern.typed:
                    pattern.check(found)
            except TimeoutError:
                self._report_timeout(pattern.id)
            except FieldError as error:
                problem, failed = str(error), failed or pattern
            else:
                return pattern, found, None
        return failed, None, problem

    def reading(self, envelope: Envelope, finding: Finding, at: datetime | None = None) -> Reading:
        """The reading of a line of whose message ``find`` said this."""
        by, found, problem = finding
        near = found is None and (problem is not None or any(each in envelope.message for each in self.profile.anchors))
        return Reading(envelope, at, by, found, near, problem)

    def _report_timeout(self, pattern: str) -> None:
        """Count it, and tell it the first time and then ever more rarely: a flood of lines must not become two."""
        self.timeouts[pattern] += 1
        times = self.timeouts[pattern]
        if times & (times - 1) == 0:
            log.warning(
                "pattern %s did not come to an end within %g s on a line (%d so far); that line counts as not matched",
                pattern,
                self._timeout,
                times,
            )
        if self._of_batch is not None:
            self._of_batch[pattern] += 1
            if self._of_batch[pattern] == MOST_TIMEOUTS:
                self._given_up.add(pattern)

    def read_lines(self, read: LinesRead) -> LogRead:
        """Read lines in order of arrival: their facts, and the counts that go with them."""
        return self.read_batch(read.lines, read.epoch)

    def read_batch(self, lines: Iterable[RawLine], epoch: Epoch | None = None) -> LogRead:
        """Read lines of one epoch's log in order of arrival: their facts, and the counts that go with them."""
        facts: list[Fact] = []
        count = near_missed = info_lines = 0
        last: datetime | None = None
        self.begin_batch()
        for line in lines:
            reading = self.read(line.text, line.at)
            count += 1
            near_missed += reading.near_miss
            info_lines += reading.is_info
            last = reading.at or last
            if (fact := reading.fact) is not None:
                facts.append(fact)
        return LogRead(epoch, tuple(facts), count, len(facts), near_missed, info_lines, last)
