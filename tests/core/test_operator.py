"""What a person may do to a run, when, and what it means."""

from __future__ import annotations

import pytest

from tests.core.scripts import ALLOCATION, ASSET, Talk, begun, day, days, fact, plan_of, started, written
from watcher.core.events import Meaning, Move, OperatorAsked, RequestRefused
from watcher.core.moves import RunStatus
from watcher.core.operator import objection
from watcher.core.state import HoldKind


def running(*, lenient: bool = False) -> Talk:
    """Asset of three days, asked for and begun; allocation waits."""
    talk = Talk(plan_of(ASSET, ALLOCATION, inbox=True), lenient=lenient).up().accepted()
    return talk.heard(started("asset", 1, 3))


def emptied() -> Talk:
    return running().heard(written("asset", 1, (0, 0)))


def silent() -> Talk:
    return running().heard(written("asset", 1)).wait(hours=2)


def failed() -> Talk:
    return running().heard(fact(Meaning.WINDOW_FAILED, "asset", days(2), resolution="1d"))


def finished() -> Talk:
    talk = Talk(plan_of(ASSET)).up().accepted()
    return talk.heard(started("asset", 1, 3), written("asset", 1), written("asset", 2), written("asset", 3))


def aborted() -> Talk:
    return running().asked(Move.ABORT)


def paused() -> Talk:
    return running().asked(Move.PAUSE)


ALLOWED = {
    running: "pause abort skip",
    paused: "resume abort skip",
    emptied: "pause abort approve retry skip",
    silent: "pause abort approve retry skip",
    failed: "abort retry skip",
    finished: "",
    aborted: "",
}


@pytest.mark.parametrize("situation", ALLOWED, ids=lambda each: each.__name__)
@pytest.mark.parametrize("move", Move)
def test_which_moves_are_allowed_when(situation: object, move: Move) -> None:
    """What is not allowed has a reason that can be shown, is recorded, and changes nothing."""
    assert callable(situation)
    talk = situation()
    stage = "asset" if move is Move.SKIP else None
    asked = OperatorAsked(move, "because", stage)
    why = objection(talk.state, asked)
    assert (why is None) == (str(move) in ALLOWED[situation].split())
    talk.lenient = True
    before = talk.state
    talk.tell(asked)
    if why is not None:
        assert talk.state == before
        assert [record.text for record in talk.illegal()] == [f"{move}: {why}"]
    else:
        assert talk.state != before
        assert talk.illegal() == []


def test_a_pause_lets_the_open_request_finish_and_sends_no_other() -> None:
    talk = paused().heard(written("asset", 1), written("asset", 2), written("asset", 3)).expect_nothing()
    assert talk.state.stage("asset").status == "done"
    assert (talk.state.status, talk.state.reason) == ("paused", "because")
    talk.asked(Move.RESUME).expect("allocation", 1, 3)


def test_a_pause_before_the_first_request() -> None:
    talk = Talk(plan_of(ASSET)).asked(Move.PAUSE).up().expect_nothing()
    talk.asked(Move.RESUME).expect("asset", 1, 3)


def test_what_was_open_may_finish_the_run_during_a_pause() -> None:
    talk = Talk(plan_of(ASSET)).up().accepted().heard(started("asset", 1, 3)).asked(Move.PAUSE)
    talk.heard(written("asset", 1), written("asset", 2), written("asset", 3))
    assert talk.state.status == "done"


def test_a_pause_is_kept_through_a_hold() -> None:
    talk = emptied().asked(Move.PAUSE)
    talk.expect_held(HoldKind.DECISION).asked(Move.APPROVE)
    assert talk.state.status == "paused"
    talk.asked(Move.RESUME).expect_going()


def test_a_pause_is_kept_through_a_failure() -> None:
    talk = paused().heard(fact(Meaning.WINDOW_FAILED, "asset", days(2), resolution="1d"))
    assert talk.state.status == "failed"
    talk.heard(written("asset", 1), written("asset", 3)).asked(Move.RETRY).expect_nothing()
    assert talk.state.status == "paused"
    talk.asked(Move.RESUME).expect("asset", 2)


def test_a_resume_during_a_hold_does_not_end_the_hold() -> None:
    talk = emptied().asked(Move.PAUSE).asked(Move.RESUME)
    talk.expect_held(HoldKind.DECISION)
    assert talk.state.paused is None


def test_an_abort_is_final() -> None:
    talk = aborted()
    assert (talk.state.status, talk.state.reason, talk.state.finished_at) == ("aborted", "because", talk.now)
    talk.heard(written("asset", 1), written("asset", 2), written("asset", 3)).expect_nothing()
    talk.restarts().comes_back().expect_nothing()
    assert talk.titles() == ["repair of 3 day(s) started", "asset: done"]


def test_an_aborted_run_holds_no_more() -> None:
    talk = aborted().heard(started("asset", 9, mark="zzzzz")).heard(written("asset", 1, (0, 0)))
    assert talk.wait(days=2).state.status == "aborted"


def test_approve_accepts_emptied_days_by_name() -> None:
    talk = emptied().asked(Move.APPROVE).expect_going()
    assert talk.status("asset", 1) == "skipped"
    assert talk.state.stage("asset").days[day(1)].reason == "accepted empty: because"
    talk.heard(written("asset", 2), written("asset", 3)).expect("allocation", 1, 3)


def test_approve_accepts_no_emptiness_that_was_not_told() -> None:
    """Day 2 was emptied while the run held for day 1: it gets a hold and a message of its own."""
    talk = emptied().heard(written("asset", 2, (0, 0)))
    talk.asked(Move.APPROVE).expect_held(HoldKind.DECISION, "asset 2023-01-02: written empty")
    assert talk.statuses("asset") == "skipped empty requested"
    assert sum("emptied" in title for title in talk.titles()) == 2
    foreign = running().heard(started("asset", 9, mark="zzzzz")).heard(written("asset", 2, (0, 0)))
    foreign.expect_held(HoldKind.DECISION, "somebody else").asked(Move.APPROVE)
    foreign.expect_held(HoldKind.DECISION, "written empty")


def test_approve_after_silence_waits_once_more() -> None:
    talk = silent().expect_held(HoldKind.SILENCE).asked(Move.APPROVE).expect_going()
    assert talk.statuses("asset") == "done running running"
    talk.wait(minutes=119).expect_going().wait(minutes=1).expect_held(HoldKind.SILENCE)


def test_a_decision_outranks_a_silence() -> None:
    """The run holds for silence; then a day is emptied: what needs a person is told."""
    talk = silent().heard(started("asset", 9, mark="zzzzz"))
    talk.expect_held(HoldKind.DECISION, "somebody else")
    assert talk.titles()[-1] == "somebody else repairs too, the run holds"


def test_retry_asks_for_what_did_not_end_well() -> None:
    talk = silent().asked(Move.RETRY).expect("asset", 2, 3)
    assert talk.status("asset", 1) == "done"


def test_retry_narrowed_to_a_day() -> None:
    """The others are still unclear: the run holds for them, and says so."""
    talk = silent().asked(Move.RETRY, "asset", 3)
    assert talk.statuses("asset") == "done unclear pending"
    talk.expect_held(HoldKind.SILENCE, "asset 2023-01-02")


def test_retry_of_a_failed_run_goes_on() -> None:
    talk = failed().heard(written("asset", 1), written("asset", 3)).asked(Move.RETRY).expect("asset", 2)
    talk.expect_going()
    talk.accepted().heard(started("asset", 2, mark="bbbbb"), written("asset", 2)).expect("allocation", 1, 3)


def test_retry_waits_for_what_is_still_at_work() -> None:
    talk = failed().asked(Move.RETRY).expect_nothing()
    talk.heard(written("asset", 1)).expect_nothing().heard(written("asset", 3)).expect("asset", 2)


def test_retry_of_a_day_that_is_done_repeats_its_stage() -> None:
    talk = running().heard(written("asset", 1), written("asset", 2), written("asset", 3)).accepted()
    talk.heard(started("allocation", 1, 3, "bbbbb"), begun("allocation", 1))
    talk.asked(Move.RETRY, "asset", 2).expect_nothing()
    assert talk.state.stage("asset").status == "running"
    talk.heard(begun("allocation", 2), begun("allocation", 3)).expect_nothing()
    talk.heard(written("allocation", 3)).expect("asset", 2)


def test_retry_after_a_refusal() -> None:
    talk = Talk(plan_of(ASSET)).up().tell(RequestRefused(1, "404")).asked(Move.RETRY).expect("asset", 1, 3)
    talk.expect_going()


def test_skip_leaves_days_out() -> None:
    talk = emptied().asked(Move.SKIP, "asset", 1).expect_going()
    assert talk.statuses("asset") == "skipped requested requested"
    assert "because" in (talk.state.stage("asset").days[day(1)].reason or "")


def test_skip_of_a_day_in_every_stage() -> None:
    talk = running().asked(Move.SKIP, None, 2)
    assert (talk.statuses("asset"), talk.status("allocation", 2)) == ("requested skipped requested", "skipped")
    talk.heard(written("asset", 1), written("asset", 2), written("asset", 3)).expect("allocation", 1)
    assert talk.status("asset", 2) == "skipped"


def test_skip_of_a_stage_that_waits() -> None:
    talk = running().asked(Move.SKIP, "allocation").heard(written("asset", 1), written("asset", 2), written("asset", 3))
    assert talk.state.stage("allocation").status == "skipped"
    assert talk.state.status == "done"


def test_a_skipped_day_can_be_taken_back() -> None:
    talk = Talk(plan_of(ASSET)).asked(Move.SKIP, "asset", 2).asked(Move.RETRY, "asset", 2).up().expect("asset", 1, 3)
    assert talk.statuses("asset") == "requested requested requested"


def test_skipping_under_a_request_in_flight_sends_nothing_before_its_answer() -> None:
    talk = Talk(plan_of(ASSET, ALLOCATION)).up().asked(Move.SKIP, "asset").expect_nothing()
    assert talk.state.stage("asset").status == "done"
    talk.accepted().expect_held(HoldKind.ABANDONED, "asset 2023-01-01..2023-01-03", "skipped", "may still be at work")
    alone = Talk(plan_of(ASSET)).up().asked(Move.SKIP, "asset").accepted()
    assert alone.state.status == "done"


def test_a_stage_that_failed_and_was_not_retried_ends_the_run_again() -> None:
    """Two stages failed; only the first is retried: when it is done the run does not stand still in silence."""
    talk = running().heard(written("asset", 1), written("asset", 2), written("asset", 3)).accepted()
    talk.heard(started("allocation", 1, 3, "bbbbb")).asked(Move.RETRY, "asset", 2)
    talk.heard(fact(Meaning.WINDOW_FAILED, "allocation", days(1, 3), resolution="1d"))
    assert talk.state.status == "failed"
    talk.asked(Move.SKIP, "asset", 2)
    assert (talk.state.stage("asset").status, talk.state.status) == ("done", "failed")
    talk.asked(Move.RETRY).expect("allocation", 1, 3)


def test_the_reason_of_a_person_is_stored() -> None:
    talk = paused()
    assert any(record.text == "pause by a person: because" for record in talk.records)
    assert talk.state.status is RunStatus.PAUSED


def test_retry_takes_no_decision_back_that_it_does_not_name() -> None:
    """An emptied day that was accepted is not wiped once more by a retry of something else."""
    talk = emptied().asked(Move.APPROVE).wait(hours=2).expect_held(HoldKind.SILENCE)
    talk.asked(Move.RETRY).expect("asset", 2, 3)
    assert talk.status("asset", 1) == "skipped"
