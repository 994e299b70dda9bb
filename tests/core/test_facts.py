"""Captured words become values, or are refused; nothing is guessed."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from watcher.core.facts import FIELD_OF_GROUP, FieldError, Fields, checks_of, count, duration, moment, read_fields
from watcher.core.window import Window

FIRST = datetime(2023, 1, 1, tzinfo=UTC)
SECOND = datetime(2023, 1, 2, tzinfo=UTC)
EARLY, LATE = datetime.fromisoformat("1970-01-02"), datetime.fromisoformat("9000-01-01")  # naive: a zone is put on


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-01-01T00:00:00+0000", FIRST),
        ("2023-01-01T00:00:00Z", FIRST),
        ("2023-01-01T00:00:00+00:00", FIRST),
        ("2023-01-01 00:00:00 +0000 UTC", FIRST),
        ("2023-01-01 00:00:00 +0000 +0000", FIRST),
        ("2022-12-31T17:00:00-0700", FIRST),
        ("2022-12-31 17:00:00 -0700 MST", FIRST),
        ("2023-01-01 00:00:00.5 +0000 UTC", FIRST + timedelta(milliseconds=500)),
        ("2024-04-24 21:41:58.837751006 +0000 UTC", datetime(2024, 4, 24, 21, 41, 58, 837751, UTC)),
    ],
)
def test_every_form_of_a_time_that_kubecost_prints(text: str, expected: datetime) -> None:
    assert moment(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "2023-02-30T00:00:00Z",
        "2023-13-01T00:00:00Z",
        "2023-01-01T25:00:00Z",
        "2023-01-01T00:00:00",
        "2023-01-01",
        "0001-01-01T00:00:00+0100",
        "٢٠٢٣-01-01T00:00:00Z",
        "2023-01-01T00:00:00+9900",
        "",
    ],
)
def test_a_time_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(FieldError, match="is not a time"):
        moment(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("68.417µs", 0.000068417),  # the micro sign
        ("68.417μs", 0.000068417),  # the Greek letter
        ("68.417us", 0.000068417),
        ("924.827959ms", 0.924827959),
        ("1m52.9s", 112.9),
        ("1m52.922457813s", 112.922457813),
        ("17.247540034s", 17.247540034),
        ("220ns", 2.2e-7),
        ("2h0m1s", 7201.0),
        ("0s", 0.0),
    ],
)
def test_go_durations_are_exact(text: str, seconds: float) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "5", "5 s", "1s2m", "-1s", "1.s", "1e3s", "9" * 40 + "h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(FieldError, match="is not a duration"):
        duration(text)


@given(st.integers(0, 10**13))
def test_a_duration_survives_being_written_as_go_writes_it(nanoseconds: int) -> None:
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}h{minutes}m{rest // 10**9}.{rest % 10**9:09d}s"
    assert duration(text) == pytest.approx(nanoseconds / 1e9, abs=1e-9)


@given(st.datetimes(min_value=EARLY, max_value=LATE), st.integers(-14 * 60, 14 * 60))
def test_a_time_survives_being_written_in_any_zone(naive: datetime, minutes: int) -> None:
    at = naive.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    offset = at.strftime("%z")
    body = at.strftime("%m-%dT%H:%M:%S.%f")
    assert moment(f"{at.year:04d}-{body}{offset}") == at
    assert moment(f"{at.year:04d}-{body.replace('T', ' ')} {offset} {offset}") == at


@pytest.mark.parametrize("text", ["", "-1", "1.5", "²", "٣", "1" * 19, "three"])
def test_what_is_no_count_is_refused(text: str) -> None:
    with pytest.raises(FieldError, match="is not a count"):
        count(text)


def test_groups_fill_the_fields_of_their_names() -> None:
    fields = read_fields(
        {
            "start": "2023-01-01T00:00:00+0000",
            "end": "2023-01-02T00:00:00+0000",
            "cov_start": "2022-12-01T21:00:00Z",
            "cov_end": "2022-12-02T23:14:05.5Z",
            "resolution": "1d",
            "provider": "a/b:c",
            "id": "fvkKR",
            "rows_in": "19",
            "rows_out": "3",
            "took": "68.417µs",
            "kind": "Asset",
        }
    )
    assert fields.window == Window(FIRST, SECOND)
    assert fields.stated() == {
        "window": "2023-01-01T00:00:00Z,2023-01-02T00:00:00Z",
        "coverage": "2022-12-01T21:00:00Z,2022-12-02T23:14:05.500000Z",
        "resolution": "1d",
        "provider": "a/b:c",
        "id": "fvkKR",
        "rows_in": 19,
        "rows_out": 3,
        "seconds": 0.000068417,
    }


def test_a_group_that_took_no_part_states_nothing() -> None:
    assert read_fields(dict.fromkeys(FIELD_OF_GROUP)) == Fields()
    assert Fields().stated() == {}


@pytest.mark.parametrize(
    ("groups", "problem"),
    [
        ({"start": "2023-01-02T00:00:00Z", "end": "2023-01-01T00:00:00Z"}, "the window .* runs backwards"),
        ({"start": "2023-01-02T00:00:00Z", "end": "2023-01-02T00:00:00Z"}, "the window .* is empty"),
        ({"cov_start": "2023-01-02T00:00:00Z", "cov_end": "2023-01-01T00:00:00Z"}, "the coverage .* runs backwards"),
        ({"start": "2023-01-02T00:00:00Z"}, "the window has only one end"),
        ({"rows_in": "many"}, re.escape("'many' is not a count")),
    ],
)
def test_values_that_contradict_themselves_are_refused(groups: dict[str, str], problem: str) -> None:
    with pytest.raises(FieldError, match=problem):
        read_fields(groups)


def test_a_store_without_coverage_is_an_honest_answer() -> None:
    at = "2024-04-25T03:41:58+0000"
    assert read_fields({"cov_start": at, "cov_end": at}).coverage == Window(moment(at), moment(at))


TEXTS = [
    "2023-01-01T00:00:00Z",
    "2023-01-02 00:00:00 +0000 UTC",
    "2023-02-30T00:00:00Z",
    "12",
    "111111111111111111",
    "1111111111111111111",
    "٣",
    "²",
    "",
    "1h2m3.5s",
    "68.4µs",
    "5",
    "1.s",
    "-1s",
    "12\n",
    "1s\n",
]


@given(
    st.dictionaries(st.sampled_from(sorted(FIELD_OF_GROUP)), st.sampled_from(TEXTS) | st.none() | st.text(max_size=3))
)
def test_what_no_check_refuses_has_values_and_the_other_way_round(groups: dict[str, str | None]) -> None:
    for begins, ends in (("start", "end"), ("cov_start", "cov_end")):
        assume((begins in groups) == (ends in groups))  # a pattern has both
    texts = list(groups.values())
    pairs, alone = checks_of({name: number for number, name in enumerate(groups)})
    refused = any(text is not None and looks(text) is None for looks, text in ((each, texts[at]) for each, at in alone))
    try:
        for check, first, second in pairs:
            check(texts[first], texts[second])
    except FieldError:
        refused = True
    try:
        read_fields(groups)
    except FieldError:
        assert refused
    else:
        assert not refused
