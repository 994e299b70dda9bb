"""A stage that is skipped while Kubecost is at work on it: nothing else is asked for until that is over."""

from __future__ import annotations

from tests.core.scripts import (
    ALLOCATION,
    ASSET,
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
from watcher.core.events import Booted, Meaning, Move, RequestNotSent, RequestRefused
from watcher.core.plan import StageRules
from watcher.core.state import HoldKind
from watcher.daemon import is_over


def skipped(first: StageRules = ASSET, *, held: bool = True) -> Talk:
    """The first of two stages is at work on three days, of which day 1 is done, and is skipped."""
    talk = Talk(plan_of(first, ALLOCATION, inbox=True)).up().accepted()
    proof = ended if first is RECONCILIATION else written
    talk.heard(*([] if first is RECONCILIATION else [started(first.name, 1, 3)]), proof(first.name, 1))
    talk.asked(Move.SKIP, first.name)
    assert talk.statuses(first.name) == "done skipped skipped"
    return talk.expect_held(HoldKind.ABANDONED, f"{first.name} 2023-01-02..2023-01-03: skipped") if held else talk


def test_the_run_holds_until_the_log_says_that_the_work_is_over() -> None:
    talk = skipped().heard(begun("asset", 2)).heard(written("asset", 2))
    talk.expect_held(HoldKind.ABANDONED).heard(written("asset", 3)).expect("allocation", 1, 3).expect_going()
    assert talk.statuses("asset") == "done skipped skipped"
    assert "skip: because" in (talk.state.stage("asset").days[day(3)].reason or "")
    assert talk.titles() == [
        "repair of 3 day(s) started",
        "asset: done",
        "asset: skipped while at work, the run holds",
    ]


def test_a_person_who_made_sure_of_it_ends_the_hold() -> None:
    skipped().asked(Move.APPROVE).expect("allocation", 1, 3).expect_going()


def test_the_reason_says_whether_the_log_can_end_it() -> None:
    skipped().expect_held(HoldKind.ABANDONED, "The run goes on when the log says", "approve")
    talk = Talk(plan_of(USAGE, ALLOCATION)).up().accepted().heard(active("cloudUsage", 1, 3))
    talk.asked(Move.SKIP, "cloudUsage").expect_held(HoldKind.ABANDONED, "may never say when", "approve")
    talk.heard(active("cloudUsage", 1, 3)).wait(days=1).expect_held(HoldKind.ABANDONED)
    talk.asked(Move.APPROVE).expect("allocation", 1, 3)


def test_lines_that_both_stages_write_do_not_count_for_the_next() -> None:
    """In v1.99 the reconciliation writes allocations with the allocation's own words."""
    talk = skipped(RECONCILIATION).heard(written("allocation", 1), written("allocation", 2))
    talk.expect_held(HoldKind.ABANDONED)
    assert talk.statuses("allocation") == "pending pending pending"
    talk.heard(active("reconciliation", 2)).expect_held(HoldKind.ABANDONED)
    talk.heard(ended("reconciliation", 2), ended("reconciliation", 3)).expect("allocation", 1, 3)


def test_every_known_provider_must_have_ended() -> None:
    plan = plan_of(staged(RECONCILIATION, providers=("aws", "gcp")), ALLOCATION)
    talk = Talk(plan).up().accepted().asked(Move.SKIP, "reconciliation")
    talk.heard(*(ended("reconciliation", number, "aws") for number in (1, 2, 3))).expect_held(HoldKind.ABANDONED)
    talk.heard(*(ended("reconciliation", number, "gcp") for number in (1, 2, 3))).expect("allocation", 1, 3)


def test_hours_are_waited_for_where_the_plan_waits_for_them() -> None:
    hours = [fact(Meaning.WINDOW_DONE, "asset", hour(each, 1), resolution="1h", rows_out=3) for each in range(24)]
    plan = plan_of(staged(ASSET, wait_hourly=True), ALLOCATION, last=1)
    talk = Talk(plan).up().accepted().heard(started("asset", 1)).asked(Move.SKIP, "asset")
    talk.heard(written("asset", 1), *hours[:-1]).expect_held(HoldKind.ABANDONED)
    talk.heard(hours[-1]).expect("allocation", 1)
    refused = Talk(plan).up().accepted().heard(started("asset", 1)).asked(Move.SKIP, "asset").heard(written("asset", 1))
    refused.expect_held(HoldKind.ABANDONED)
    refused.heard(fact(Meaning.COVERAGE_REFUSED, "asset", days(1), resolution="1h")).expect("allocation", 1)


def test_a_failure_is_an_end_too() -> None:
    talk = skipped().heard(fact(Meaning.WINDOW_FAILED, "asset", days(2, 3), resolution="1d"))
    assert talk.statuses("asset") == "done skipped skipped"
    talk.expect("allocation", 1, 3)


def test_a_failure_for_one_provider_is_no_end_for_the_others() -> None:
    plan = plan_of(staged(RECONCILIATION, providers=("aws", "gcp")), ALLOCATION)
    talk = Talk(plan).up().accepted().asked(Move.SKIP, "reconciliation").expect_held(HoldKind.ABANDONED)
    talk.heard(fact(Meaning.WINDOW_FAILED, "reconciliation", days(1, 3), resolution="1d", provider="aws"))
    talk.expect_held(HoldKind.ABANDONED).asked(Move.APPROVE).expect("allocation", 1, 3)


def test_an_emptied_day_stays_skipped() -> None:
    talk = skipped().heard(written("asset", 2, (0, 0)), written("asset", 3)).expect("allocation", 1, 3)
    assert talk.statuses("asset") == "done skipped skipped"


def test_what_the_container_was_at_dies_with_it() -> None:
    skipped().restarts().comes_back().expect("allocation", 1, 3)


def test_a_request_that_nobody_took_is_no_work() -> None:
    for nobody in (RequestRefused(1, "404"), RequestNotSent(1, "no such host")):
        talk = Talk(plan_of(ASSET, ALLOCATION)).up().asked(Move.SKIP, "asset").expect_nothing()
        talk.tell(nobody).expect("allocation", 1, 3)


def test_an_unclear_day_was_told_of_before() -> None:
    """Its silence lasted a patience long; who skips it then knows what he does."""
    talk = Talk(plan_of(ASSET, ALLOCATION)).up().accepted().heard(started("asset", 1, 3)).wait(hours=2)
    talk.expect_held(HoldKind.SILENCE).asked(Move.SKIP, "asset").expect("allocation", 1, 3)


def test_days_that_were_not_asked_for_yet_are_no_work() -> None:
    plan = plan_of(staged(ASSET, chunk=1), ALLOCATION)
    talk = Talk(plan).up().accepted().heard(started("asset", 1), begun("asset", 1))
    talk.asked(Move.SKIP, "asset", 2).heard(written("asset", 1)).expect("asset", 3)


def test_a_skip_of_all_that_is_left_ends_the_run() -> None:
    """Nothing comes after it that could be disturbed."""
    talk = Talk(plan_of(ASSET)).up().accepted().heard(started("asset", 1, 3)).asked(Move.SKIP, "asset")
    assert talk.state.status == "done"


def test_skipped_days_are_not_asked_for_again_while_they_are_at_work() -> None:
    talk = skipped().asked(Move.RETRY, "asset", 3)
    assert talk.statuses("asset") == "done skipped pending"
    talk.expect_held(HoldKind.ABANDONED).heard(written("asset", 2), written("asset", 3)).expect("asset", 3)


def test_a_pause_sends_nothing_and_holds_nothing() -> None:
    talk = Talk(plan_of(ASSET, ALLOCATION)).up().accepted().asked(Move.PAUSE).asked(Move.SKIP, "asset")
    assert talk.state.status == "paused"
    talk.asked(Move.RESUME).expect_held(HoldKind.ABANDONED)


def test_a_daemon_that_begins_anew_looks_at_the_log_first() -> None:
    """With ``--once``, too: it ends where nothing is said of the end, and goes on where it is."""
    talk = skipped()
    again = Talk(talk.plan, talk.state, talk.now)
    again.tell(Booted()).expect_going()
    assert not is_over(again.state)
    again.up().expect_held(HoldKind.ABANDONED)
    again.heard(written("asset", 2), written("asset", 3)).expect("allocation", 1, 3)


def test_what_needs_a_person_outranks_it() -> None:
    """To approve the other hold is not to approve this one, which is told anew."""
    talk = skipped().heard(written("asset", 1, (0, 0))).expect_held(HoldKind.DECISION, "written empty")
    talk.asked(Move.APPROVE).expect_held(HoldKind.ABANDONED)
    assert talk.titles().count("asset: skipped while at work, the run holds") == 2
    talk.asked(Move.APPROVE).expect("allocation", 1, 3)


def test_a_skip_while_no_daemon_runs_waits_for_the_log() -> None:
    """The store is changed offline; the next daemon reads what came since, and holds only where it must."""
    talk = Talk(plan_of(ASSET, ALLOCATION)).up().accepted().heard(started("asset", 1, 3)).blind()
    talk.asked(Move.SKIP, "asset").expect_going()
    later = Talk(talk.plan, talk.state, talk.now)
    later.heard(written("asset", 1), written("asset", 2), written("asset", 3)).up().expect("allocation", 1, 3)
    Talk(talk.plan, talk.state, talk.now).up().expect_held(HoldKind.ABANDONED)
