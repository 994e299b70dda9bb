"""One compiled pattern: what it matches, what it captures, how far it gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import regex

from watcher.core.envelopes import Envelope
from watcher.core.events import Fact, Meaning, Subject
from watcher.core.facts import FIELD_OF_GROUP, Checks, Fields, checks_of, read_fields, window_of
from watcher.haste import hasty_length
from watcher.literals import Texts, longest_literal, required_texts

KNOWN_GROUPS = frozenset(FIELD_OF_GROUP)
MAX_EVIDENCE = 500  # characters of a line that are kept as evidence
_MAX_REACH = 4096  # characters in which the place is sought where matching stopped
_STRANGE = "\0"  # a character that no pattern asks for


@dataclass(frozen=True, slots=True)
class Pattern:
    """A kind of log line that a profile knows.

    ``stage`` is the stage whose pipeline writes the line, or ``stage_of`` maps the text of ``stage_group`` to it. Where
    that is no stage of the profile (``listed``), the line is known but says nothing here: its fact is ``noted``.

    What follows from these: of each of ``required`` some text stands in every message that the pattern matches, and
    ``literal`` always does (None: no such text is known). In a message of up to ``hasty`` characters a search is over
    at once, so that it is not timed. A match of a ``typed`` pattern captures words that may turn out to be no values,
    so that it is none. What ``tells`` is False for could not move a repair, whatever it says: it belongs to no stage
    and to no process.
    """

    id: str
    means: Meaning
    says: str
    expression: regex.Pattern[str]
    file: str
    stage: str | None = None
    stage_group: str | None = None
    stage_of: Mapping[str, str] = field(default_factory=dict)
    levels: frozenset[str] = frozenset()
    advice: str | None = None
    listed: frozenset[str] = frozenset()
    samples: tuple[str, ...] = ()
    required: tuple[Texts, ...] = field(init=False)
    literal: str | None = field(init=False)
    hasty: int = field(init=False)
    typed: bool = field(init=False)
    tells: bool = field(init=False)
    _names: tuple[str, ...] = field(init=False)
    _numbers: tuple[int, ...] = field(init=False)
    _checks: Checks = field(init=False)
    _about: tuple[int, int, int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "required", required_texts(self.expression.pattern, self.expression.flags))
        object.__setattr__(self, "hasty", hasty_length(self.expression.pattern, self.expression.flags))
        object.__setattr__(self, "literal", longest_literal(self.required))
        object.__setattr__(self, "_checks", checks_of(self.expression.groupindex))
        object.__setattr__(self, "typed", any(self._checks))
        number = self.expression.groupindex.get
        object.__setattr__(self, "_about", (number("start", 0), number("end", 0), number("provider", 0)))
        object.__setattr__(self, "_names", tuple(self.expression.groupindex))
        object.__setattr__(self, "_numbers", tuple(self.expression.groupindex.values()))
        tells = self.stage is not None or self.stage_group is not None or self.means is Meaning.PROCESS_STARTED
        object.__setattr__(self, "tells", tells)

    def match(self, envelope: Envelope, timeout: float | None = None) -> regex.Match[str] | None:
        """Match the message; None where it does not. Raises ``TimeoutError`` after ``timeout`` seconds."""
        if self.levels and envelope.level not in self.levels:
            return None
        return self.search(envelope.message, timeout)

    def search(self, message: str, timeout: float | None = None) -> regex.Match[str] | None:
        """As ``match``, whatever the level."""
        if len(message) <= self.hasty:
            return self.expression.search(message)
        return self.expression.search(message, timeout=timeout)

    def check(self, found: regex.Match[str]) -> None:
        """Raise what ``fields`` would raise, at a third of its price."""
        pairs, alone = self._checks
        for check, first, second in pairs:
            check(found[first], found[second])
        for looks, number in alone:
            text = found[number]
            if text is not None and looks(text) is None:
                self.fields(found)

    def fields(self, found: regex.Match[str]) -> Fields:
        """The values that a match captured. Raises ``FieldError`` where a text is not what its field needs."""
        if len(self._numbers) < 2:  # noqa: PLR2004  then ``group`` gives no tuple
            return read_fields(found.groupdict())
        # By number, not by name: five times as fast.
        return read_fields(dict(zip(self._names, found.group(*self._numbers), strict=True)))

    def stage_in(self, found: regex.Match[str]) -> str | None:
        """The stage that the line speaks of, whether or not it is one of the profile's."""
        if self.stage_group is None:
            return self.stage
        return self.stage_of.get(found[self.stage_group] or "")

    def subject(self, found: regex.Match[str]) -> Subject:
        """What the fact would be about, at a fraction of its price. Raises ``FieldError``."""
        start, end, provider = self._about
        stage = self.stage if self.stage_group is None else self.stage_in(found)
        known = stage is None or stage in self.listed
        return (
            self.means if known else Meaning.NOTED,
            stage if known else None,
            window_of(found[start], found[end]) if start and end else None,
            found[provider] if provider else None,
        )

    def fact(
        self,
        envelope: Envelope,
        found: regex.Match[str],
        at: datetime | None = None,
        *,
        stamped_by_runtime: bool = False,
    ) -> Fact:
        """What the line said. Raises ``FieldError``."""
        values = self.fields(found)
        stage = self.stage_in(found)
        known = stage is None or stage in self.listed
        return Fact(
            meaning=self.means if known else Meaning.NOTED,
            pattern=self.id,
            line=envelope.message[:MAX_EVIDENCE],
            stage=stage if known else None,
            at=at,
            stamped_by_runtime=stamped_by_runtime,
            window=values.window,
            coverage=values.coverage,
            resolution=values.resolution,
            provider=values.provider,
            id=values.id,
            rows_in=values.rows_in,
            rows_out=values.rows_out,
            seconds=values.seconds,
            advice=self.advice,
        )

    def reach(self, message: str, timeout: float = 0.1) -> int:
        """How many characters of ``message``, from its beginning, this pattern follows before it stops.

        Where it goes on through anything at all (``.*``), it is said to have stopped there: that is no likeness.
        """
        head = message[:_MAX_REACH]
        try:
            stop = _last(len(head), lambda n: self._may_begin(head[:n], timeout))
            if not self._may_begin(head[:stop] + _STRANGE, timeout):
                return stop
            return stop - _last(stop, lambda n: self._may_begin(head[: stop - n] + _STRANGE, timeout))
        except TimeoutError:
            return 0

    def _may_begin(self, text: str, timeout: float) -> bool:
        return self.expression.match(text, partial=True, timeout=timeout) is not None


def _last(most: int, holds: Callable[[int], bool]) -> int:
    """The largest number up to ``most`` for which ``holds`` does, if it holds for all below it too."""
    low, high = 0, most
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low


def stopped_at(message: str, reach: int, width: int = 40) -> str:
    """The place where matching stopped, for people: ``matched up to here: '…done', stopped before ' more'``."""
    head, tail = message[:reach], message[reach:]
    head = head if len(head) <= width else f"…{head[-width:]}"
    tail = tail if len(tail) <= width else f"{tail[:width]}…"
    if not head:
        return f"matched nothing of {tail!r}"
    return f"matched up to here: {head!r}, stopped " + (f"before {tail!r}" if tail else "at the end of the line")
