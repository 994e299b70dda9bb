"""When a day is done: the rules of truth (DESIGN "Truth"), each by its name, and the mean cases around them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.core.scripts import (
    ALLOCATION,
    ASSET,
    E2,
    RECONCILIATION,
    USAGE,
    Talk,
    active,
    begun,
    day,
    days,
    ended,
    fact,
    hour,
    plan_of,
    staged,
    started,
    written,
)
from watcher.core.events import Fact, Meaning
from watcher.core.plan import Evidence
from watcher.core.state import HoldKind
from watcher.core.window import Window


def asset(*, last: int = 3) -> Talk:
    """An asset stage whose repair has begun."""
    talk = Talk(plan_of(ASSET, last=last)).up().expect("asset", 1, last)
    return talk.accepted().heard(started("asset", 1, last))


def usage(*, last: int = 3, providers: tuple[str, ...] = ()) -> Talk:
    return Talk(plan_of(staged(USAGE, providers=providers), last=last)).up().expect("cloudUsage", 1, last).accepted()


def reconciliation(*, last: int = 2, providers: tuple[str, ...] = ()) -> Talk:
    return Talk(plan_of(staged(RECONCILIATION, providers=providers), last=last)).up().accepted()


# ---- rule 1: which facts count --------------------------------------------------------------------------------------


def test_rule_1_a_written_day_inside_the_request_is_done() -> None:
    talk = asset().heard(written("asset", 2))
    assert talk.statuses("asset") == "requested done requested"
    known = talk.state.stage("asset").days[day(2)]
    assert (known.inferred, known.rows_in, known.rows_out, known.seconds) == (False, 19, 3, 0.5)
    assert known.evidence == written("asset", 2).line


def moved_by(**stamp: float) -> dict[str, Any]:
    """A stamp of the runtime, this far from the time of the request."""
    return {"at": Talk(plan_of(ASSET)).now + timedelta(**stamp), "stamped_by_runtime": True}


@pytest.mark.parametrize(
    ("mean", "why"),
    [
        (written("asset", 2, resolution="1h"), "hourly"),
        (fact(Meaning.WINDOW_DONE, "asset", hour(0, of=2), resolution="1h"), "an hour"),
        (fact(Meaning.WINDOW_DONE, "asset", hour(0, of=2), resolution="1d"), "not whole days"),
        (written("asset", 4), "not in the request"),
        (fact(Meaning.WINDOW_DONE, "asset", days(2, 4), resolution="1d"), "reaches out of the request"),
        (
            fact(
                Meaning.WINDOW_DONE,
                "asset",
                Window(days(2).start + timedelta(hours=1), days(2).end + timedelta(hours=1)),
                resolution="1d",
            ),
            "a day long, but no day",
        ),
        (written("asset", 2, **moved_by(seconds=-6)), "stamped before the request"),
        (written("allocation", 2), "another pipeline"),
        (fact(Meaning.WINDOW_DONE, None, days(2), resolution="1d"), "no pipeline of ours"),
        (fact(Meaning.WINDOW_DONE, "asset", None, resolution="1d"), "no window"),
        (fact(Meaning.NOTED, "asset", days(2), resolution="1d"), "says nothing"),
        (fact(Meaning.TROUBLE, "asset", days(2)), "trouble names no day"),
        (active("asset", 2), "activity is a start, never an end"),
    ],
)
def test_rule_1_what_does_not_count(mean: Fact, why: str) -> None:
    talk = asset().heard(mean)
    assert talk.status("asset", 2) != "done", why


def test_rule_1_the_nodes_clock_may_lag_five_seconds() -> None:
    talk = asset().heard(written("asset", 2, **moved_by(seconds=-4)))
    assert talk.status("asset", 2) == "done"


def test_rule_1_the_programs_own_stamp_is_no_fence() -> None:
    """Only the runtime's clock is trusted to say that a line is old."""
    talk = asset().heard(replace(written("asset", 2), at=days(1).start))
    assert talk.status("asset", 2) == "done"


def test_rule_1_nothing_counts_before_the_start_line() -> None:
    """Where the pipeline prints one; then its lines may be those of an ordinary run."""
    talk = Talk(plan_of(ASSET)).up().accepted().heard(written("asset", 1), written("asset", 2))
    assert talk.statuses("asset") == "requested requested requested"
    talk.heard(started("asset", 1, 3), written("asset", 1))
    assert talk.statuses("asset") == "done requested requested"


def test_rule_1_facts_of_another_epoch_do_not_count() -> None:
    talk = asset().heard(written("asset", 1), epoch=E2)
    assert talk.status("asset", 1) == "requested"
    talk.heard(written("asset", 1), epoch=None)
    assert talk.status("asset", 1) == "requested"


def test_rule_1_lines_of_several_days_speak_of_each() -> None:
    talk = asset().heard(fact(Meaning.WINDOW_DONE, "asset", days(1, 3), resolution="1d", rows_in=5, rows_out=5))
    assert talk.statuses("asset") == "done done done"


def test_rule_1_pipelines_that_widen_are_matched_by_containment() -> None:
    """A block of seven days covers the two that were asked for; a block that only meets them covers none of both."""
    talk = usage(last=2).heard(active("cloudUsage", 1, 7, "A"))
    assert talk.statuses("cloudUsage") == "running running"
    other = usage(last=2).heard(active("cloudUsage", 2, 8, "A"))
    assert other.statuses("cloudUsage") == "requested running"


# ---- rule 2: background runs ----------------------------------------------------------------------------------------


def test_rule_2_lines_of_a_stage_that_is_not_open_prove_nothing() -> None:
    """Reconciliation prints allocation lines; allocation's turn has not come."""
    talk = Talk(plan_of(RECONCILIATION, ALLOCATION)).up().accepted()
    talk.heard(started("allocation", 9), written("allocation", 1), written("allocation", 2), written("allocation", 3))
    assert talk.statuses("allocation") == "pending pending pending"


# ---- rule 3: the ladder of evidence ---------------------------------------------------------------------------------


def allocation() -> Talk:
    return Talk(plan_of(ALLOCATION)).up().accepted().heard(started("allocation", 1, 3))


def test_rule_3_the_next_start_concludes_the_day_before() -> None:
    talk = allocation().heard(begun("allocation", 1), begun("allocation", 2))
    assert talk.statuses("allocation") == "done running requested"
    assert talk.state.stage("allocation").days[day(1)].inferred


def test_rule_3_the_last_day_has_no_next_start() -> None:
    talk = allocation().heard(begun("allocation", 1), begun("allocation", 2), begun("allocation", 3))
    assert talk.statuses("allocation") == "done done running"


def test_rule_3_a_line_turns_a_conclusion_into_knowledge() -> None:
    talk = allocation().heard(begun("allocation", 1), begun("allocation", 2), written("allocation", 1))
    known = talk.state.stage("allocation").days[day(1)]
    assert (known.status, known.inferred, known.rows_out) == ("done", False, 3)


@pytest.mark.parametrize("order", [(3, 2, 1), (1, 3), (2, 1), (1, 1, 1)])
def test_rule_3_only_the_neighbour_that_begun_before_is_concluded(order: tuple[int, ...]) -> None:
    """Days worked off backwards, or with one left out, or the same line again: nothing is concluded."""
    talk = allocation().heard(*[begun("allocation", number) for number in order])
    assert "done" not in talk.statuses("allocation")


def test_rule_3_a_repeated_start_concludes_nothing_new() -> None:
    """Days 2, 1 and then day 2 again, from a log that was read twice: day 1 is not over."""
    talk = allocation().heard(begun("allocation", 2), begun("allocation", 1), begun("allocation", 2))
    assert talk.statuses("allocation") == "running running requested"


def test_rule_3_one_start_line_of_many_days_ends_none_of_them() -> None:
    talk = allocation().heard(fact(Meaning.DAY_STARTED, "allocation", days(1, 3), resolution="1d"))
    assert talk.statuses("allocation") == "running running running"


def test_rule_3_a_day_heard_of_again_after_a_silence_was_not_thereby_begun() -> None:
    """Days 1 to 3 became unclear; day 2 begins, so day 1 is over; then day 3 begins, so day 2 is."""
    talk = allocation().heard(begun("allocation", 1)).wait(hours=3)
    talk.expect_held(HoldKind.SILENCE)
    talk.heard(begun("allocation", 2)).expect_going()
    assert talk.statuses("allocation") == "done running running"
    talk.heard(begun("allocation", 3))
    assert talk.statuses("allocation") == "done done running"
    skipped = allocation().heard(begun("allocation", 1)).wait(hours=3).heard(begun("allocation", 3))
    assert skipped.statuses("allocation") == "running running running"


def test_rule_3_a_profile_may_ask_for_more_than_the_next_start() -> None:
    rules = replace(ALLOCATION, least=Evidence.WINDOW_DONE)
    talk = Talk(plan_of(rules)).up().accepted().heard(started("allocation", 1, 3))
    talk.heard(begun("allocation", 1), begun("allocation", 2))
    assert talk.statuses("allocation") == "running running requested"


def test_rule_3_where_several_providers_work_a_next_start_ends_nothing() -> None:
    rules = replace(USAGE, least=Evidence.NEXT_STARTED)
    talk = Talk(plan_of(rules)).up().accepted()
    talk.heard(begun("cloudUsage", 1, provider="A"), begun("cloudUsage", 2, provider="A"))
    assert talk.statuses("cloudUsage") == "running running requested"


def test_rule_3_for_an_end_line_a_written_set_is_not_enough() -> None:
    """Not for the provider of the set, and not for the other one after the first one's end line either."""
    talk = reconciliation(last=1).heard(written("reconciliation", 1, provider="B"))
    assert talk.status("reconciliation", 1) == "running"
    talk.heard(ended("reconciliation", 1, "A"))
    assert talk.status("reconciliation", 1) == "running"
    talk.heard(ended("reconciliation", 1, "B"))
    assert talk.status("reconciliation", 1) == "done"


# ---- rule 4: providers (quiet itself is in test_silence) ------------------------------------------------------------


def test_rule_4_reconciliation_needs_the_end_line_of_every_provider() -> None:
    talk = reconciliation(providers=("A", "B")).heard(ended("reconciliation", 1, "A"), ended("reconciliation", 2, "A"))
    assert talk.statuses("reconciliation") == "running running"
    assert "provider B" in (talk.state.stage("reconciliation").days[day(1)].reason or "")
    talk.heard(ended("reconciliation", 1, "B"))
    assert talk.statuses("reconciliation") == "done running"
    talk.heard(ended("reconciliation", 2, "B"))
    assert talk.state.status == "done"


def test_rule_4_a_line_without_a_provider_covers_for_none() -> None:
    talk = reconciliation(last=1, providers=("A",)).heard(ended("reconciliation", 1))
    assert talk.status("reconciliation", 1) == "running"


def test_rule_4_without_any_provider_one_line_is_enough() -> None:
    assert reconciliation(last=1).heard(ended("reconciliation", 1)).state.status == "done"


def test_ruling_9_a_new_provider_reopens_days_that_looked_done() -> None:
    talk = reconciliation().heard(ended("reconciliation", 1, "A"))
    assert talk.statuses("reconciliation") == "done requested"
    talk.heard(ended("reconciliation", 2, "B"))
    assert talk.statuses("reconciliation") == "running running"
    talk.heard(ended("reconciliation", 1, "B"), ended("reconciliation", 2, "A"))
    assert talk.state.status == "done"


def test_ruling_9_a_new_provider_reopens_a_stage_that_is_done() -> None:
    """The next stage is in flight: it may finish, but nothing else is asked for until the first is whole again."""
    talk = Talk(plan_of(RECONCILIATION, staged(ALLOCATION, chunk=1), last=2)).up().accepted()
    talk.heard(ended("reconciliation", 1, "A"), ended("reconciliation", 2, "A")).expect("allocation", 1)
    talk.accepted().heard(started("allocation", 1, mark="bbbbb"))
    talk.heard(ended("reconciliation", 2, "B"))
    assert (talk.state.stage("reconciliation").status, talk.statuses("reconciliation")) == ("running", "running done")
    talk.heard(written("allocation", 1)).expect_nothing()
    talk.heard(ended("reconciliation", 1, "B")).expect("allocation", 2)


def test_ruling_9_earlier_chunks_are_reopened_too() -> None:
    """And their lines are listened for while the next chunk is open, whose own start line stays its own."""
    rules = replace(RECONCILIATION, prints_start=True, widens=False)
    talk = Talk(plan_of(staged(rules, chunk=1), last=3)).up().expect("reconciliation", 1).accepted()
    talk.heard(started("reconciliation", 1), ended("reconciliation", 1, "A")).expect("reconciliation", 2)
    talk.accepted().heard(fact(Meaning.NOTED, "reconciliation", None, provider="B"))
    assert talk.statuses("reconciliation") == "running requested pending"
    talk.heard(started("reconciliation", 2, mark="bbbbb")).expect_going()
    talk.heard(ended("reconciliation", 2, "A"), ended("reconciliation", 2, "B")).expect_nothing()
    talk.heard(ended("reconciliation", 1, "B")).expect("reconciliation", 3)


def test_ruling_9_between_two_epochs_a_new_provider_sends_the_days_back() -> None:
    """Nobody works on them any more: waiting for their lines would be waiting for ever."""
    talk = Talk(plan_of(staged(RECONCILIATION, chunk=1), last=2)).up().accepted()
    talk.heard(ended("reconciliation", 1, "A")).expect("reconciliation", 2).accepted()
    talk.restarts().heard(fact(Meaning.NOTED, "reconciliation", None, provider="B"))
    assert talk.statuses("reconciliation") == "pending pending"
    talk.comes_back().expect("reconciliation", 1, attempt=2)


def test_ruling_9_a_stage_done_in_a_dead_epoch_is_asked_for_anew() -> None:
    talk = Talk(plan_of(RECONCILIATION, ALLOCATION, last=1)).up().accepted().heard(ended("reconciliation", 1, "A"))
    talk.expect("allocation", 1).accepted().restarts().heard(ended("reconciliation", 1, "B"))
    assert talk.statuses("reconciliation") == "pending"
    talk.comes_back().expect("reconciliation", 1, attempt=2)


def test_ruling_9_a_finished_run_is_finished() -> None:
    talk = reconciliation(last=1).heard(ended("reconciliation", 1, "A"))
    before = talk.state.stages
    talk.heard(ended("reconciliation", 1, "B"))
    assert (talk.state.status, talk.state.stages) == ("done", before)


def test_a_conclusion_is_not_undone_by_a_line_that_proves_a_part_of_it() -> None:
    """Quiet covered both providers; a late line that names one of them takes nothing back."""
    talk = Talk(plan_of(USAGE, ASSET, last=1)).up().accepted()
    talk.heard(active("cloudUsage", 1, 7, "A"), active("cloudUsage", 1, 7, "B")).wait(minutes=6)
    assert talk.status("cloudUsage", 1) == "done"
    talk.heard(written("cloudUsage", 1, provider="A"))
    known = talk.state.stage("cloudUsage").days[day(1)]
    assert (known.status, known.inferred) == ("done", True)


# ---- rule 5: emptied stores -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [(0, 0), (19, 0)])
def test_rule_5_an_emptied_store_holds(rows: tuple[int, int]) -> None:
    talk = Talk(plan_of(ASSET, ALLOCATION, inbox=True)).up().accepted().heard(started("asset", 1, 3))
    talk.heard(written("asset", 1), written("asset", 2, rows), written("asset", 3)).expect_nothing()
    assert talk.statuses("asset") == "done empty done"
    assert talk.state.stage("asset").status == "held"
    talk.expect_held(HoldKind.DECISION, "2023-01-02", "empty")
    assert sum("emptied" in title for title in talk.titles()) == 1
    talk.wait(hours=11)
    assert sum("emptied" in title for title in talk.titles()) == 1


def test_rule_5_few_rows_of_none_are_no_emptiness_while_the_day_lasts() -> None:
    """Rows 19 to 0 on a day that is not over yet; 0 to 0 is empty on any day."""
    talk = Talk(plan_of(ASSET, last=1), now=days(1).start + timedelta(hours=3)).up().accepted()
    talk.heard(started("asset", 1), written("asset", 1, (19, 0)))
    assert talk.status("asset", 1) == "done"


def test_rule_5_a_store_emptied_after_it_was_done_is_noticed() -> None:
    """Also when its stage is done and the next is open: the stage is held, people are told."""
    talk = Talk(plan_of(ASSET, RECONCILIATION, inbox=True)).up().accepted().heard(started("asset", 1, 3))
    talk.heard(written("asset", 1), written("asset", 2), written("asset", 3)).expect("reconciliation", 1, 3).accepted()
    talk.heard(written("asset", 2, (0, 0)))
    assert (talk.status("asset", 2), talk.state.stage("asset").status) == ("empty", "held")
    talk.expect_held(HoldKind.DECISION, "asset 2023-01-02")


# ---- rule 6: refusals and failures ----------------------------------------------------------------------------------


def refusal(first: int, last: int | None = None, **fields: object) -> Fact:
    more = {"resolution": "1d", "coverage": days(20, 31), **fields}
    return fact(Meaning.COVERAGE_REFUSED, "asset", days(first, last), **more)


def boundary(stage: str | None, first: int, last: int | None = None, **fields: object) -> Fact:
    more = {"resolution": "1d", "coverage": days(20, 31), **fields}
    return fact(Meaning.WINDOW_FAILED, stage, days(first, last), **more)


def test_rule_6_an_hourly_refusal_is_noted() -> None:
    talk = asset().heard(refusal(2, resolution="1h"))
    assert talk.statuses("asset") == "requested requested requested"
    assert any("hourly" in record.text for record in talk.records)


def test_rule_6_a_daily_refusal_fails_its_days() -> None:
    """It comes instead of a start line, so it needs none. The advice of the pattern is in the reason."""
    talk = Talk(plan_of(ASSET, ALLOCATION)).up().accepted().heard(refusal(2, advice="Check the retention."))
    assert talk.statuses("asset") == "requested failed requested"
    assert talk.state.status == "failed"
    assert "coverage. Check the retention." in (talk.state.reason or "")


def test_rule_6_a_boundary_error_inside_the_chunk_fails_its_days() -> None:
    talk = asset().heard(boundary("asset", 2, 3))
    assert talk.statuses("asset") == "requested failed failed"
    assert talk.state.status == "failed"


@pytest.mark.parametrize(
    "elsewhere",
    [
        boundary("asset", 2, 4),
        boundary("asset", 4, 9),
        boundary("reconciliation", 2),
        boundary(None, 2),
        boundary("asset", 2, resolution="1h"),
        boundary("asset", 2, at=days(1).start, stamped_by_runtime=True),
    ],
)
def test_rule_6_a_boundary_error_elsewhere_is_noted(elsewhere: Fact) -> None:
    talk = Talk(plan_of(ASSET, RECONCILIATION)).up().accepted().heard(started("asset", 1, 3), elsewhere)
    assert talk.statuses("asset") == "requested requested requested"
    talk.expect_going()


def test_rule_6_a_failure_takes_a_conclusion_back_but_no_knowledge() -> None:
    talk = allocation().heard(begun("allocation", 1), begun("allocation", 2), written("allocation", 2))
    talk.heard(boundary("allocation", 1, 2))
    assert talk.statuses("allocation") == "failed done requested"


def test_rule_6_a_failure_after_a_concluded_stage_fails_the_run() -> None:
    """Quiet was concluded, the next stage is open, and then the pipeline says that it failed."""
    talk = Talk(plan_of(USAGE, ASSET, inbox=True)).up().accepted().heard(active("cloudUsage", 1, 7, "A"))
    talk.wait(minutes=6)
    assert talk.requests[-1].stage == "asset"
    talk.accepted().heard(boundary("cloudUsage", 2, provider="A"))
    assert (talk.status("cloudUsage", 2), talk.state.status) == ("failed", "failed")
    assert "cloudUsage: failed, the run ends" in talk.titles()


# ---- rule 9: late, repeated, out of order ---------------------------------------------------------------------------


def test_rule_9_order_is_the_order_of_arrival() -> None:
    """Older stamps behind newer ones count as long as they are not from before the request."""
    talk = asset().wait(minutes=1)
    late: dict[str, Any] = {"at": talk.now - timedelta(seconds=50), "stamped_by_runtime": True}
    talk.heard(written("asset", 3), written("asset", 1, **late), written("asset", 2))
    assert talk.state.status == "done"


def test_rule_9_facts_seen_twice_change_nothing() -> None:
    talk = asset().heard(started("asset", 1, 3), written("asset", 1), written("asset", 2))
    before = talk.state.stages
    talk.heard(started("asset", 1, 3), written("asset", 1, (5, 5)), written("asset", 2))
    after = talk.state.stages
    assert [stage.days for stage in after] == [stage.days for stage in before]


# ---- hourly sets ----------------------------------------------------------------------------------------------------


def hourly(*, last: int = 1) -> Talk:
    talk = Talk(plan_of(staged(ASSET, wait_hourly=True), last=last)).up().accepted()
    return talk.heard(started("asset", 1, last))


def hours(*numbers: int, of: int = 1) -> list[Fact]:
    return [fact(Meaning.WINDOW_DONE, "asset", hour(number, of), resolution="1h") for number in numbers]


def test_ruling_2_wait_hourly_waits_for_every_hour() -> None:
    talk = hourly().heard(*hours(*range(12)), written("asset", 1))
    assert talk.status("asset", 1) == "running"
    assert talk.state.stage("asset").days[day(1)].reason == "daily set done; 12 of 24 hourly sets seen"
    talk.heard(*hours(*range(5, 23)))
    assert talk.status("asset", 1) == "running"
    talk.heard(*hours(23))
    assert talk.state.status == "done"


def test_ruling_2_a_refusal_of_the_hourly_store_ends_that_wait() -> None:
    talk = hourly().heard(written("asset", 1)).heard(refusal(1, resolution="1h"))
    assert talk.state.status == "done"
    assert hourly().heard(refusal(1, resolution="1h"), written("asset", 1)).state.status == "done"


def test_ruling_2_hours_alone_are_no_day() -> None:
    talk = hourly().heard(*hours(*range(24)))
    assert talk.status("asset", 1) == "requested"
    assert asset(last=1).heard(*hours(*range(24))).status("asset", 1) == "requested"


def test_ruling_2_what_is_concluded_waits_for_the_hours_as_well() -> None:
    """The next day's start and quiet alike."""
    rules = replace(ALLOCATION, least=Evidence.QUIET)
    talk = Talk(plan_of(staged(rules, wait_hourly=True), last=2)).up().accepted().heard(started("allocation", 1, 2))
    talk.heard(begun("allocation", 1), begun("allocation", 2)).wait(minutes=30)
    assert talk.statuses("allocation") == "running running"
