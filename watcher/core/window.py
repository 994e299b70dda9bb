"""Windows of time: half-open, UTC, as Kubecost writes them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

ONE_DAY = timedelta(days=1)
ONE_HOUR = timedelta(hours=1)
EXAMPLE_WINDOW = "2023-01-01T00:00:00Z,2023-01-04T00:00:00Z"
LONGEST_WINDOW = 3660  # days; ten years are more than any Kubecost keeps, so that a longer window is a slip of the pen

MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
_WINDOW = re.compile(rf"({MOMENT}),({MOMENT})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A half-open stretch of time ``[start, end)``; both ends are aware datetimes in UTC."""

    start: datetime
    end: datetime

    @classmethod
    def of_days(cls, first: date, last: date) -> Window:
        """The window from the beginning of ``first`` to the end of ``last``, both days included."""
        return cls(midnight(first), midnight(last) + ONE_DAY)

    def days(self) -> Iterator[date]:
        """Every day that lies wholly inside the window, in order."""
        start = self.start.astimezone(UTC)
        day = start.date() if start.time() == time(0) else start.date() + ONE_DAY
        while midnight(day) + ONE_DAY <= self.end:
            yield day
            day += ONE_DAY

    def is_whole_days(self) -> bool:
        """True when both ends are midnights in UTC and at least one day lies between them."""
        ends = (self.start.astimezone(UTC).time(), self.end.astimezone(UTC).time())
        return ends == (time(0), time(0)) and self.start < self.end

    def is_one_day(self) -> bool:
        """True for exactly one whole day."""
        return self.is_whole_days() and self.end - self.start == ONE_DAY

    def is_one_hour(self) -> bool:
        """True for exactly one whole hour."""
        start = self.start.astimezone(UTC)
        return self.end - self.start == ONE_HOUR and (start.minute, start.second, start.microsecond) == (0, 0, 0)

    def contains(self, other: Window) -> bool:
        """True when ``other`` lies inside this window; equal ends count."""
        return self.start <= other.start and other.end <= self.end

    def covers(self, day: date) -> bool:
        """True when the whole ``day`` lies inside this window."""
        return self.start <= midnight(day) and midnight(day) + ONE_DAY <= self.end

    def meets(self, other: Window) -> bool:
        """True when the two windows have some time in common."""
        return self.start < other.end and other.start < self.end

    def __str__(self) -> str:
        return f"{rfc3339(self.start)},{rfc3339(self.end)}"


def parse_window(text: str) -> Window:
    """``START,END`` as Kubecost's own ``window=``: whole days, UTC, half-open.

    Raises ValueError whose text says what is wrong and what to write instead.
    """
    found = _WINDOW.fullmatch(text)
    if found is None:
        message = f"is not START,END in UTC; write it like {EXAMPLE_WINDOW}"
        raise ValueError(message)
    start, end = (_moment(part) for part in found.groups())
    if start >= end:
        message = "ends before it begins; the start comes first" if start > end else "holds no time; END is exclusive"
        raise ValueError(message)
    window = Window(start, end)
    if not window.is_whole_days():
        message = "does not begin and end at midnight UTC, and repairs go by whole days; write T00:00:00Z at both ends"
        raise ValueError(message)
    if (end - start).days > LONGEST_WINDOW:
        message = f"covers {(end - start).days} days; correct the years, or repair {LONGEST_WINDOW} days at a time"
        raise ValueError(message)
    return window


def _moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError as error:
        message = f"{text} does not exist in the calendar; correct the date"
        raise ValueError(message) from error


def midnight(day: date) -> datetime:
    """The beginning of ``day`` in UTC."""
    return datetime.combine(day, time(0), UTC)


def rfc3339(moment: datetime) -> str:
    """``moment`` as ``YYYY-MM-DDTHH:MM:SSZ``, the only form that Kubecost's ``window=`` takes."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
