"""The matcher: facts out of raw lines; a hostile or broken line never stops it."""

import dataclasses
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.envelopes import unwrap
from watcher.core.events import Epoch, Fact, Meaning
from watcher.core.facts import FieldError
from watcher.core.window import Window
from watcher.matcher import MAX_MATCHED, MOST_TIMEOUTS, Matcher
from watcher.pattern import MAX_EVIDENCE, Pattern
from watcher.profile import Profile, load_profile
from watcher.scan import Scanner
from watcher.sources import LinesRead, RawLine

AT = datetime(2023, 1, 5, 8, 0, 0, 1, UTC)
DAY = Window(datetime(2023, 1, 1, tzinfo=UTC), datetime(2023, 1, 2, tzinfo=UTC))
MESSAGE = (
    "ETL: Asset[1d]: AggregatedStore.Run[fvkKR]: run: aggregated "
    "[2023-01-01T00:00:00+0000, 2023-01-02T00:00:00+0000) from 19 to 3 in 68.417µs"
)
DONE = Fact(
    meaning=Meaning.WINDOW_DONE,
    pattern="store-aggregated",
    line=MESSAGE,
    stage="asset",
    resolution="1d",
    window=DAY,
    id="fvkKR",
    rows_in=19,
    rows_out=3,
    seconds=0.000068417,
    advice=next(each.advice for each in load_profile("kubecost-1.99").patterns if each.id == "store-aggregated"),
)


@cache
def profile(name: str = "kubecost-1.99") -> Profile:
    return load_profile(name)


@cache
def matcher(name: str = "kubecost-1.99") -> Matcher:
    return Matcher(profile(name))


def with_pattern(expression: str) -> Profile:
    """The shipped profile with one more pattern in front."""
    extra = Pattern("extra", Meaning.NOTED, "Extra.", regex.compile(expression), "mine.yaml")
    return dataclasses.replace(profile(), patterns=(extra, *profile().patterns))


def test_a_line_becomes_a_fact() -> None:
    reading = matcher().read(f"INF {MESSAGE}".encode())
    assert (reading.fact, reading.pattern, reading.level, reading.at) == (DONE, "store-aggregated", "info", None)
    assert reading.matched
    assert reading.is_info
    assert not reading.near_miss


def test_the_stamp_of_the_runtime_wins_over_the_programs() -> None:
    line = f"2023-01-05T07:59:59Z INF {MESSAGE}".encode()
    stamped = matcher().read(line, AT).fact
    assert stamped == dataclasses.replace(DONE, at=AT, stamped_by_runtime=True)
    own = matcher().read(line).fact
    assert own == dataclasses.replace(DONE, at=datetime(2023, 1, 5, 7, 59, 59, tzinfo=UTC))
    in_front = matcher().read(b"2023-01-05T08:00:00.000001000Z " + line).fact
    assert in_front == stamped


@pytest.mark.parametrize(
    "message",
    [
        MESSAGE.replace("2023-01-01", "2023-02-30"),
        MESSAGE.replace("2023-01-02", "2022-12-31"),
        MESSAGE.replace("2023-01-02", "2023-01-01"),
        MESSAGE.replace("from 19", f"from {'9' * 40}"),
        MESSAGE.replace("2023-01-01T00", "2023-01-01T25"),
    ],
)
def test_words_that_are_no_values_make_a_near_miss(message: str) -> None:
    reading = matcher().read(message.encode())
    assert (reading.fact, reading.pattern, reading.near_miss) == (None, "store-aggregated", True)
    assert reading.problem


@pytest.mark.parametrize(
    ("message", "near_miss"),
    [
        (MESSAGE[:70], True),
        (MESSAGE.replace("aggregated", "summed"), True),
        ("ETL: Asset[1d]: Reconciliation[a/b]: Repair[abcde]: finished", True),
        ("http: named cookie not present", False),
        ("", False),
    ],
)
def test_a_line_with_a_word_of_progress_that_nothing_matches_is_a_near_miss(message: str, near_miss: bool) -> None:
    reading = matcher().read(message.encode())
    assert (reading.fact, reading.near_miss) == (None, near_miss)


def test_a_line_of_a_pipeline_that_is_no_stage_here_is_noted_without_a_stage() -> None:
    line = b"ETL: CloudUsage[a/b]: Run[abcde]: QueryCloudUsage [2023-01-01T00:00:00+0000, 2023-01-02T00:00:00+0000)"
    here, elsewhere = matcher("kubecost-1.99").read(line).fact, matcher("kubecost-2").read(line).fact
    assert here is not None
    assert elsewhere is not None
    assert (here.meaning, here.stage, here.window) == (Meaning.ACTIVITY, "cloudUsage", DAY)
    assert (elsewhere.meaning, elsewhere.stage, elsewhere.window) == (Meaning.NOTED, None, DAY)


def test_failures_carry_the_advice() -> None:
    fact = matcher().read(b"ERR CostModel.ComputeAllocation: query context error x").fact
    assert fact is not None
    assert fact.meaning is Meaning.TROUBLE
    assert "Prometheus" in (fact.advice or "")


def test_bytes_that_are_no_text_are_shown_and_survive() -> None:
    fact = matcher().read(b"Starting cost-model (git commit \xff\x00\xfe)").fact
    assert fact is not None
    assert fact.line == "Starting cost-model (git commit \\xff\0\\xfe)"


def test_evidence_is_cut() -> None:
    fact = matcher().read(b"panic: " + b"x" * 10_000).fact
    assert fact is not None
    assert len(fact.line) == MAX_EVIDENCE


def test_what_stands_behind_the_cap_is_not_looked_at() -> None:
    line = b"x" * MAX_MATCHED + b" Request Error: 503"
    assert matcher().read(line[1:]).fact is None
    assert matcher().read(line[40:]).fact is not None


def test_a_pattern_that_runs_away_is_counted_and_the_others_still_match() -> None:
    runs_away = Matcher(with_pattern(r"^(?:.|..)+\d$"), timeout=0.01)
    assert runs_away.read(MESSAGE.encode()).fact == DONE
    assert runs_away.timeouts == {"extra": 1}


@pytest.mark.parametrize("kind", [Matcher, lambda profile, timeout: Scanner(Matcher(profile, timeout))])
def test_a_pattern_that_runs_away_costs_a_batch_no_more_than_some_limits(kind: Any) -> None:
    """Nothing else is done while a batch is read: no signal, no answer to a probe. The next batch tries it again."""
    reader = kind(with_pattern(r"^(?:.|..)+\d$"), 0.001)
    timeouts = reader.timeouts if kind is Matcher else reader.matcher.timeouts
    lines = [RawLine(MESSAGE.encode(), None)] * 500
    for batch in (1, 2):
        read = reader.read_batch(lines)
        assert (read.lines, read.matched, read.facts) == (500, 500, (DONE,) * 500)
        assert timeouts == {"extra": batch * MOST_TIMEOUTS}


def test_the_first_pattern_that_matches_wins() -> None:
    assert Matcher(with_pattern("^ETL: ")).read(MESSAGE.encode()).pattern == "extra"


def test_a_batch_is_counted_for_the_core() -> None:
    epoch = Epoch("pod", "container")
    lines = (
        RawLine(f"INF {MESSAGE}".encode(), AT),
        RawLine(b"WRN noise"),
        RawLine(b"DBG ETL: Asset[1d]: AggregatedStore"),
        RawLine(b"ETL: Asset[1d] is 100.0% complete"),
    )

    class Nowhere:
        def dump(self) -> str:
            return ""

    read = matcher().read_lines(LinesRead(epoch, lines, Nowhere()))
    assert [fact.pattern for fact in read.facts] == ["store-aggregated", "store-complete"]
    assert (read.epoch, read.lines, read.matched, read.near_missed, read.info_lines) == (epoch, 4, 2, 1, 2)
    assert read.last_line_at == AT
    assert matcher().read_batch(()).last_line_at is None


# ---- the shortcut changes nothing -----------------------------------------------------------------------------------

SAMPLES = [line for each in load_profile("kubecost-1.99").patterns for line in each.samples]


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """A sample, or pieces of two, with something cut, doubled or put in."""
    one, two = draw(st.sampled_from(SAMPLES)), draw(st.sampled_from(SAMPLES))
    cut, from_ = draw(st.integers(0, len(one))), draw(st.integers(0, len(two)))
    put = draw(st.text(max_size=3))
    other = one[:cut] + put + draw(st.sampled_from([one[cut:], two[from_:]]))
    return draw(st.sampled_from([one, other, put + one, one + put]))


def plain_loop(line: str) -> tuple[str, Fact | None]:
    """What the matcher does, without its shortcut."""
    envelope = unwrap(line.encode(errors="backslashreplace").decode())
    for pattern in profile().patterns:
        found = pattern.match(envelope)
        if found is not None:
            try:
                return pattern.id, pattern.fact(envelope, found, envelope.runtime_at or envelope.at)
            except FieldError:
                continue
    return "", None


@given(mangled())
def test_looking_for_literals_first_gives_what_the_plain_loop_gives(line: str) -> None:
    reading = matcher().read(line.encode(errors="backslashreplace"))
    expected = plain_loop(line)
    got = dataclasses.replace(reading.fact, stamped_by_runtime=False) if reading.fact is not None else None
    assert (reading.pattern if got is not None else "", got) == expected


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail(raw: bytes) -> None:
    reading = matcher().read(raw)
    assert reading.matched == (reading.fact is not None)


@given(st.sampled_from(SAMPLES), st.integers(0), st.integers(0), st.text("ABab:[]() 0", max_size=4))
def test_no_line_is_matched_by_two_patterns(line: str, start: int, length: int, put: str) -> None:
    """Patterns are disjoint beyond their samples: the order in which they stand decides nothing."""
    start %= len(line)
    envelope = unwrap(line[:start] + put + line[start + length % 20 :])
    found = [each.id for each in profile().patterns if each.match(envelope) is not None]
    assert len(found) <= 1, found
