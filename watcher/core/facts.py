"""From the words that a pattern captured to the values of a fact: windows, durations, counts.

Patterns capture text; here the text gets its type, or is refused. A refused text makes the line a near miss, so nothing
here guesses: a date that does not exist, a window that runs backwards or a count that is no number is a ``FieldError``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from watcher.core.window import Window, rfc3339

# The named groups that a pattern may use, and the field that each of them fills.
FIELD_OF_GROUP = {
    "start": "window",
    "end": "window",
    "cov_start": "coverage",
    "cov_end": "coverage",
    "resolution": "resolution",
    "provider": "provider",
    "id": "id",
    "rows_in": "rows_in",
    "rows_out": "rows_out",
    "took": "seconds",
}

# Go prints a time as ``2023-01-01 00:00:00 +0000 UTC``; the name of the zone repeats what the number before it said.
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d+)?)(?:(Z)| ?([+-]\d\d:?\d\d)(?: (?:[A-Z]{1,5}|[+-]\d\d(?:\d\d)?))?)",
    re.ASCII,
)
_DURATION = re.compile(
    r"(?=\d)(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,12}(?:\.\d{1,12})?)(ns|us|µs|μs|ms|s))?", re.ASCII
)
_POWER = {"ns": "e-9", "us": "e-6", "µs": "e-6", "μs": "e-6", "ms": "e-3", "s": ""}
_COUNT = re.compile("[0-9]{1,18}")  # more rows than that is a broken line, not a count


CheckPair = Callable[[str | None, str | None], object]
Checks = tuple[tuple[tuple[CheckPair, int, int], ...], tuple[tuple[Callable[[str], object | None], int], ...]]


class FieldError(ValueError):
    """A captured text is not what its field needs. The message is one sentence, without the line."""


class Fields(NamedTuple):
    """What one line stated, with types; None where it did not. ``seconds`` is the duration that it named."""

    window: Window | None = None
    coverage: Window | None = None
    resolution: str | None = None
    provider: str | None = None
    id: str | None = None
    rows_in: int | None = None
    rows_out: int | None = None
    seconds: float | None = None

    def stated(self) -> dict[str, str | int | float]:
        """The fields that have a value, as a sample in a pattern file writes them: windows as ``START,END``."""
        return {name: _spelt(value) for name, value in self._asdict().items() if value is not None}


def read_fields(groups: Mapping[str, str | None]) -> Fields:
    """Give every captured text its type. Groups that no field knows are passed over; raises ``FieldError``."""
    get = groups.get
    rows_in, rows_out, took = get("rows_in"), get("rows_out"), get("took")
    return Fields(
        window_of(get("start"), get("end")),
        _coverage_of(get("cov_start"), get("cov_end")),
        get("resolution"),
        get("provider"),
        get("id"),
        None if rows_in is None else count(rows_in),
        None if rows_out is None else count(rows_out),
        None if took is None else duration(took),
    )


def checks_of(groups: Mapping[str, int]) -> Checks:
    """What refuses a text, with the numbers of the groups that it is asked about: for two at once, and for one.

    The first raise, the others answer None. What none of them refuses, ``read_fields`` does not refuse either.
    """

    def pair(check: CheckPair, first: str, second: str) -> tuple[tuple[CheckPair, int, int], ...]:
        return ((check, groups[first], groups[second]),) if first in groups and second in groups else ()

    pairs = (*pair(window_of, "start", "end"), *pair(_coverage_of, "cov_start", "cov_end"))
    alone = {"rows_in": _COUNT.fullmatch, "rows_out": _COUNT.fullmatch, "took": _DURATION.fullmatch}
    return pairs, tuple((looks, groups[name]) for name, looks in alone.items() if name in groups)


@lru_cache(maxsize=4096)  # the days of a window are named again and again; a refusal is not remembered
def window_of(start: str | None, end: str | None) -> Window | None:
    """The window between two texts; None where neither is there. Raises ``FieldError``."""
    window = _between("window", start, end)
    if window is not None and window.end == window.start:  # a store without coverage is honest, no work is not
        problem = f"the window {window} is empty"
        raise FieldError(problem)
    return window


@lru_cache(maxsize=4096)
def _coverage_of(start: str | None, end: str | None) -> Window | None:
    return _between("coverage", start, end)


def moment(text: str) -> datetime:
    """One end of a window in any form that Kubecost prints, in UTC. Raises ``FieldError``."""
    found = _MOMENT.fullmatch(text)
    if found is None:
        problem = f"{text!r} is not a time"
        raise FieldError(problem)
    day, clock, zulu, offset = found.groups()
    try:
        return datetime.fromisoformat(f"{day}T{clock}{zulu or offset}").astimezone(UTC)
    except (ValueError, OverflowError) as error:
        problem = f"{text!r} is not a time: {error}"
        raise FieldError(problem) from error


def duration(text: str) -> float:
    """A duration as Go prints it (``1m52.9s``, ``924.8ms``, ``68.4µs``) in seconds. Raises ``FieldError``."""
    found = _DURATION.fullmatch(text)
    if found is None:
        problem = f"{text!r} is not a duration"
        raise FieldError(problem)
    hours, minutes, number, unit = found.groups()
    seconds = number + _POWER[unit] if number else "0"  # digit for digit: 68.417µs is 68.417e-6
    if hours is None and minutes is None:
        return float(seconds)
    return float(Decimal(hours or 0) * 3600 + Decimal(minutes or 0) * 60 + Decimal(seconds))


def count(text: str) -> int:
    """A number of rows. Raises ``FieldError``."""
    if _COUNT.fullmatch(text) is None:
        problem = f"{text!r} is not a count"
        raise FieldError(problem)
    return int(text)


def _between(name: str, start: str | None, end: str | None) -> Window | None:
    if start is None and end is None:
        return None
    if start is None or end is None:
        problem = f"the {name} has only one end"
        raise FieldError(problem)
    window = Window(moment(start), moment(end))
    if window.end < window.start:
        problem = f"the {name} {window} runs backwards"
        raise FieldError(problem)
    return window


def _spelt(value: Window | str | float) -> str | int | float:
    """``value`` as a pattern file writes it. Ends of a coverage may have fractions of a second; they are shown."""
    if not isinstance(value, Window):
        return value
    return f"{_spelt_end(value.start)},{_spelt_end(value.end)}"


def _spelt_end(end: datetime) -> str:
    return end.isoformat().replace("+00:00", "Z") if end.microsecond else rfc3339(end)
