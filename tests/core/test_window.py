"""Windows: half-open, whole days in UTC, containment."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.window import Window, midnight, rfc3339

BASE = datetime(2023, 1, 1, tzinfo=UTC)


def window(first: float, last: float) -> Window:
    """From ``first`` to ``last`` hours after the beginning of 2023."""
    return Window(BASE + timedelta(hours=first), BASE + timedelta(hours=last))


@pytest.mark.parametrize(
    ("hours", "whole", "one_day", "one_hour", "days"),
    [
        ((0, 24), True, True, False, [1]),
        ((0, 72), True, False, False, [1, 2, 3]),
        ((0, 0), False, False, False, []),
        ((24, 0), False, False, False, []),
        ((1, 25), False, False, False, []),
        ((1, 49), False, False, False, [2]),
        ((23, 49), False, False, False, [2]),
        ((3, 4), False, False, True, []),
        ((3.5, 4.5), False, False, False, []),
        ((0, 23), False, False, False, []),
    ],
)
def test_what_a_window_is(
    hours: tuple[float, float], *, whole: bool, one_day: bool, one_hour: bool, days: list[int]
) -> None:
    found = window(*hours)
    assert (found.is_whole_days(), found.is_one_day(), found.is_one_hour()) == (whole, one_day, one_hour)
    assert [day.day for day in found.days()] == days


def test_midnights_are_those_of_utc() -> None:
    """A window of whole days in another zone is none here, whatever its text says."""
    elsewhere = timezone(timedelta(hours=-7))
    local = Window(datetime(2023, 1, 1, tzinfo=elsewhere), datetime(2023, 1, 3, tzinfo=elsewhere))
    assert not local.is_whole_days()
    assert list(local.days()) == [date(2023, 1, 2)]


@pytest.mark.parametrize(
    ("outer", "inner", "contains", "meets"),
    [
        ((0, 72), (0, 72), True, True),
        ((0, 72), (24, 48), True, True),
        ((0, 72), (24, 73), False, True),
        ((0, 72), (72, 96), False, False),
        ((24, 48), (0, 24), False, False),
        ((24, 48), (0, 25), False, True),
    ],
)
def test_containing_and_meeting(outer: tuple[int, int], inner: tuple[int, int], *, contains: bool, meets: bool) -> None:
    assert window(*outer).contains(window(*inner)) is contains
    assert window(*outer).meets(window(*inner)) is meets
    assert window(*inner).meets(window(*outer)) is meets


def test_it_is_written_as_kubecost_takes_it() -> None:
    assert str(window(0, 72)) == "2023-01-01T00:00:00Z,2023-01-04T00:00:00Z"
    assert rfc3339(datetime(2023, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))) == "2023-01-01T00:00:00Z"


@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.integers(0, 500))
def test_of_days_and_days_are_inverse(first: date, more: int) -> None:
    last = first + timedelta(days=more)
    found = Window.of_days(first, last)
    days = list(found.days())
    assert (days[0], days[-1], len(days)) == (first, last, more + 1)
    assert found.is_whole_days()
    assert all(found.covers(day) for day in days)
    assert not found.covers(first - timedelta(days=1))
    assert not found.covers(last + timedelta(days=1))
    assert midnight(first) == found.start
