"""Which repair is asked for next, what its answer means, and what a new epoch does to it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.core.scripts import (
    ALLOCATION,
    ASSET,
    E2,
    E3,
    RECONCILIATION,
    T0,
    USAGE,
    Talk,
    active,
    begun,
    days,
    ended,
    fact,
    plan_of,
    staged,
    started,
    written,
)
from watcher.core.events import (
    Attached,
    Booted,
    CaughtUp,
    EpochChanged,
    Event,
    Fact,
    Meaning,
    Move,
    RequestAccepted,
    RequestNotSent,
    RequestRefused,
    RequestUnclear,
    RequestWithheld,
    TargetReady,
)
from watcher.core.state import HoldKind


def test_stages_are_asked_for_in_order_each_after_the_other() -> None:
    talk = Talk(plan_of(ASSET, USAGE, RECONCILIATION, ALLOCATION, last=2, inbox=True)).up().expect("asset", 1, 2)
    talk.accepted().heard(started("asset", 1, 2), written("asset", 2)).expect_nothing()
    talk.heard(written("asset", 1)).expect("cloudUsage", 1, 2).accepted()
    talk.heard(active("cloudUsage", 1, 7, "A")).wait(minutes=5)
    assert talk.requests[-1].stage == "reconciliation"
    talk.accepted().heard(ended("reconciliation", 1, "A")).heard(ended("reconciliation", 2, "A"))
    talk.expect("allocation", 1, 2).accepted().heard(started("allocation", 1, 2, "bbbbb"))
    talk.heard(begun("allocation", 1), begun("allocation", 2), written("allocation", 2))
    assert talk.state.status == "done"
    assert [each.request for each in talk.requests] == [1, 2, 3, 4]
    assert talk.illegal() == []
    assert talk.titles() == [
        "repair of 2 day(s) started",
        "asset: done",
        "cloudUsage: done",
        "reconciliation: done",
        "allocation: done",
        "repair done",
    ]


def test_ruling_4_nothing_is_asked_before_the_backlog_was_read_and_the_container_is_ready() -> None:
    talk = Talk(plan_of(ASSET)).tell(Booted()).expect_nothing().tell(Attached(None, "file")).expect_nothing()
    talk.tell(CaughtUp(talk.now)).expect("asset", 1, 3)
    other = Talk(plan_of(ASSET)).tell(Booted()).heals().expect_nothing()
    other.tell(TargetReady(other.epoch)).expect("asset", 1, 3)


def test_chunks_are_requests_of_their_own() -> None:
    talk = Talk(plan_of(staged(ASSET, chunk=2), ALLOCATION, last=5)).up().expect("asset", 1, 2).accepted()
    talk.heard(started("asset", 1, 2, "aaaaa"), written("asset", 1), written("asset", 4)).expect_nothing()
    talk.heard(written("asset", 2)).expect("asset", 3, 4).accepted()
    talk.heard(written("asset", 3)).expect_nothing()
    assert talk.statuses("asset") == "done done requested requested pending"
    talk.heard(started("asset", 3, 4, "bbbbb"), written("asset", 3), written("asset", 4)).expect("asset", 5).accepted()
    talk.heard(started("asset", 5, mark="ccccc"), written("asset", 5)).expect("allocation", 1, 5)
    assert talk.state.stage("asset").requests == 3


def test_facts_of_a_chunk_whose_turn_has_not_come_do_not_count() -> None:
    talk = Talk(plan_of(staged(USAGE, chunk=1), last=2)).up().accepted()
    talk.heard(active("cloudUsage", 1, 7, "A")).wait(minutes=5)
    assert talk.requests[-1].window == days(2)
    assert talk.statuses("cloudUsage") == "done requested"
    talk.accepted().wait(minutes=10).expect_held(HoldKind.SILENCE)


# ---- answers --------------------------------------------------------------------------------------------------------


def test_rule_refused_fails_the_run() -> None:
    talk = Talk(plan_of(ASSET, ALLOCATION, inbox=True)).up().tell(RequestRefused(1, "400: illegal window"))
    assert talk.statuses("asset") == "refused refused refused"
    assert (talk.state.status, talk.state.stage("asset").status) == ("failed", "failed")
    assert "400: illegal window" in (talk.state.reason or "")
    assert talk.titles()[-1] == "asset: failed, the run ends"


def test_the_start_line_is_nearer_to_the_truth_than_a_gateway() -> None:
    for answer in (RequestRefused(1, "502"), RequestNotSent(1, "reset")):
        talk = Talk(plan_of(ASSET)).up().heard(started("asset", 1, 3)).tell(answer).expect_going()
        talk.heard(written("asset", 1), written("asset", 2), written("asset", 3))
        assert talk.state.status == "done"


def test_a_refusal_is_believed_over_lines_that_any_ordinary_run_prints() -> None:
    """CloudUsage has no start line: the line may be that of its six-hourly run."""
    talk = Talk(plan_of(USAGE)).up().heard(active("cloudUsage", 1, 7, "A")).tell(RequestRefused(1, "404"))
    assert talk.statuses("cloudUsage") == "refused refused refused"
    assert talk.state.status == "failed"


def test_not_sent_is_tried_later_and_is_no_attempt() -> None:
    talk = Talk(plan_of(ASSET, attempts=1)).up()
    waits = []
    for _ in range(6):
        talk.tell(RequestNotSent(talk.requests[-1].request, "connection refused")).expect_nothing()
        assert talk.statuses("asset") == "pending pending pending"
        assert "cannot be reached: connection refused" in (talk.state.stage("asset").reason or "")
        before, asked = talk.now, len(talk.requests)
        while len(talk.requests) == asked:
            talk.wait(seconds=5)
        waits.append((talk.now - before).total_seconds())
    assert waits == [30, 60, 120, 240, 480, 600]
    assert {each.attempt for each in talk.requests} == {1}
    talk.accepted().heard(started("asset", 1, 3)).expect_going()


def test_not_reached_for_a_patience_of_days_holds() -> None:
    talk = Talk(plan_of(ASSET, inbox=True)).up()
    while talk.state.hold is None:
        assert talk.now < T0 + timedelta(hours=3)
        if talk.state.stage("asset").open is not None:
            talk.tell(RequestNotSent(talk.requests[-1].request, "no route"))
        else:
            talk.wait(minutes=1)
    talk.expect_held(HoldKind.DECISION, "cannot be reached since 2023-02-01 12:00:00Z: no route")
    assert len(talk.requests) < 20
    talk.asked(Move.APPROVE).wait(minutes=10)
    assert talk.state.stage("asset").open is not None


def test_a_time_to_wait_for_is_no_busy_loop_when_nothing_may_be_sent() -> None:
    """The deadline passes while the run is paused, blind, or not ready (``wait`` finds busy loops)."""
    for trouble in ("pause", "blind", "restart"):
        talk = Talk(plan_of(ASSET)).up().tell(RequestNotSent(1, "refused"))
        match trouble:
            case "pause":
                talk.asked(Move.PAUSE)
            case "blind":
                talk.blind()
            case _:
                talk.restarts().heals()
        talk.wait(minutes=14)
        assert len(talk.requests) == 1


def test_a_dry_run_holds_with_what_it_would_have_sent() -> None:
    talk = Talk(plan_of(ASSET)).up().tell(RequestWithheld(1, "dry run: GET /asset"))
    talk.expect_held(HoldKind.DECISION, "GET /asset")
    assert talk.statuses("asset") == "pending pending pending"
    assert {known.attempts for known in talk.state.stage("asset").days.values()} == {0}


def test_answers_to_unknown_requests_change_nothing() -> None:
    talk = Talk(plan_of(ASSET)).up()
    before = talk.state
    answers: list[Event] = [RequestAccepted(7, ""), RequestRefused(7, ""), RequestNotSent(7, ""), RequestUnclear(7, "")]
    for answer in [*answers, RequestWithheld(7, "")]:
        talk.tell(answer)
        assert talk.state == before


def test_answers_that_come_twice_change_nothing() -> None:
    talk = Talk(plan_of(ASSET)).up().accepted()
    before = talk.state
    talk.wait(minutes=1).tell(RequestUnclear(1, "time-out")).accepted()
    assert talk.state == before


# ---- rule 7: a new epoch --------------------------------------------------------------------------------------------


def test_rule_7_a_new_epoch_voids_only_what_is_not_proven() -> None:
    talk = Talk(plan_of(ASSET, last=5, inbox=True)).up().accepted()
    talk.heard(started("asset", 1, 5), written("asset", 3)).restarts().expect_nothing()
    assert talk.statuses("asset") == "pending pending done pending pending"
    assert "OOMKilled" in (talk.state.stage("asset").days[days(1).start.date()].reason or "")
    talk.comes_back().expect("asset", 1, 2, attempt=2).accepted()
    talk.heard(started("asset", 1, 2, "bbbbb"), written("asset", 1), written("asset", 2))
    talk.expect("asset", 4, 5, attempt=2).accepted()
    talk.heard(started("asset", 4, 5, "ccccc"), written("asset", 4), written("asset", 5))
    assert (talk.state.status, len(talk.requests)) == ("done", 3)
    assert "asset: the container restarted" in talk.titles()


def test_rule_7_what_was_only_concluded_is_asked_for_again() -> None:
    """Within the open request; an earlier chunk stays done, and so does a stage that was done."""
    talk = Talk(plan_of(staged(ALLOCATION, chunk=2), last=4)).up().accepted()
    talk.heard(started("allocation", 1, 2), begun("allocation", 1), begun("allocation", 2), written("allocation", 2))
    talk.accepted().heard(started("allocation", 3, 4, "bbbbb"), begun("allocation", 3), begun("allocation", 4))
    assert talk.statuses("allocation") == "done done done running"
    talk.restarts()
    assert talk.statuses("allocation") == "done done pending pending"
    talk.comes_back().expect("allocation", 3, 4, attempt=2)


def test_rule_7_a_stage_that_is_done_stays_done() -> None:
    talk = Talk(plan_of(USAGE, ASSET)).up().accepted().heard(active("cloudUsage", 1, 3, "A")).wait(minutes=5)
    talk.accepted().restarts().comes_back().expect("asset", 1, 3, attempt=2)
    assert talk.statuses("cloudUsage") == "done done done"


def test_rule_7_lines_of_the_new_epoch_prove_nothing_before_the_new_request() -> None:
    """Loading the store prints the same lines, with old data."""
    talk = Talk(plan_of(ASSET)).up().accepted().heard(started("asset", 1, 3)).restarts()
    talk.heard(written("asset", 1), written("asset", 2), written("asset", 3))
    assert talk.statuses("asset") == "pending pending pending"
    talk.comes_back().accepted().heard(written("asset", 1))
    assert talk.statuses("asset") == "requested requested requested"


def test_rule_7_nothing_is_sent_to_a_container_that_is_not_ready_or_not_read() -> None:
    talk = Talk(plan_of(ASSET)).up().accepted().restarts().wait(minutes=1)
    talk.tell(TargetReady(E2)).expect_nothing().tell(Attached(E2, "pod")).expect_nothing()
    talk.tell(CaughtUp(talk.now)).expect("asset", 1, 3, attempt=2)


def test_rule_7_as_often_as_allowed_then_it_holds_with_the_cause() -> None:
    talk = Talk(plan_of(ASSET, attempts=2, inbox=True)).up().accepted().heard(started("asset", 1, 3))
    talk.restarts(E2).comes_back().expect("asset", 1, 3, attempt=2).accepted()
    talk.restarts(E3, "OOMKilled, memory limit 2Gi").comes_back().expect_nothing()
    talk.expect_held(HoldKind.DECISION, "requested 2 times", "OOMKilled, memory limit 2Gi")
    assert talk.titles()[-1] == "asset: out of attempts, the run holds"


@pytest.mark.parametrize("move", [Move.APPROVE, Move.RETRY])
def test_rule_7_a_person_gives_new_attempts(move: Move) -> None:
    talk = Talk(plan_of(ASSET, attempts=1)).up().accepted().restarts().comes_back().expect_held(HoldKind.DECISION)
    talk.asked(move).expect("asset", 1, 3).expect_going()


def test_rule_7_the_hold_names_only_the_days_that_are_out_of_attempts() -> None:
    talk = Talk(plan_of(staged(ASSET, chunk=2), last=3, attempts=1)).up().accepted()
    talk.heard(started("asset", 1, 2), written("asset", 1)).restarts().comes_back()
    talk.expect_held(HoldKind.DECISION, "asset 2023-01-02: ")


def test_a_new_epoch_is_evidence_and_ends_a_hold_for_silence() -> None:
    talk = Talk(plan_of(ASSET)).up().accepted().wait(minutes=10).expect_held(HoldKind.SILENCE)
    talk.restarts().expect_going()
    talk.comes_back().expect("asset", 1, 3, attempt=2)


def test_a_new_epoch_does_not_end_a_decision() -> None:
    talk = Talk(plan_of(ASSET)).up().accepted().heard(started("asset", 1, 3), written("asset", 1, (0, 0)))
    talk.restarts().comes_back().expect_nothing().expect_held(HoldKind.DECISION)
    assert talk.statuses("asset") == "empty pending pending"
    talk.asked(Move.APPROVE).expect("asset", 2, 3, attempt=2)


def test_the_same_epoch_told_twice_is_one() -> None:
    talk = Talk(plan_of(ASSET)).up().accepted().heard(started("asset", 1, 3))
    before = talk.state.stages
    talk.tell(EpochChanged(talk.state.log.epoch or E2, "again"))
    assert talk.state.stages == before


def test_a_ready_container_of_which_no_change_was_told_is_a_new_epoch() -> None:
    """The source could not compare: it began without a cursor."""
    talk = Talk(plan_of(ASSET)).up().accepted().heard(started("asset", 1, 3))
    later = Talk(talk.plan, talk.state, talk.now)
    later.epoch = E2
    later.tell(Booted()).tell(Attached(E2, "pod")).tell(TargetReady(E2))
    assert later.statuses("asset") == "pending pending pending"
    later.tell(CaughtUp(later.now)).expect("asset", 1, 3, attempt=2)


def test_a_failed_run_loses_its_open_days_too() -> None:
    """Else a retry would wait for lines of the dead container."""
    talk = Talk(plan_of(ASSET)).up().accepted().heard(started("asset", 1, 3))
    talk.heard(fact(Meaning.WINDOW_FAILED, "asset", days(2), resolution="1d"))
    assert (talk.state.status, talk.statuses("asset")) == ("failed", "requested failed requested")
    notes = len(talk.notes)
    talk.restarts().comes_back().expect_nothing()
    assert (talk.statuses("asset"), len(talk.notes)) == ("pending failed pending", notes)
    talk.asked(Move.RETRY).expect("asset", 1, 3)


def process_start(**stamp: object) -> Fact:
    return fact(Meaning.PROCESS_STARTED, None, None, **stamp)


def test_in_a_file_the_first_line_of_the_process_is_the_new_epoch() -> None:
    talk = Talk(plan_of(ASSET))
    talk.epoch = None
    talk.up().accepted().heard(started("asset", 1, 3), written("asset", 1)).wait(minutes=1)
    old = process_start(at=T0 - timedelta(hours=1))
    talk.heard(old)
    assert talk.statuses("asset") == "done requested requested"
    talk.heard(process_start(at=talk.now), written("asset", 2)).expect("asset", 2, 3, attempt=2)


def test_in_a_cluster_the_epoch_is_known_better() -> None:
    talk = Talk(plan_of(ASSET)).up().accepted().heard(started("asset", 1, 3), process_start())
    assert talk.statuses("asset") == "requested requested requested"


# ---- in flight while the container dies ------------------------------------------------------------------------------


def in_flight() -> Talk:
    """A request is on its way; the container dies before the answer, the next one is up and read."""
    return Talk(plan_of(ASSET)).up().restarts()


def test_in_flight_nothing_else_is_asked_before_the_answer() -> None:
    talk = in_flight().comes_back().expect_nothing()
    talk.wait(minutes=5).heard(info_lines=1).expect_nothing()
    assert len(talk.requests) == 1


def test_in_flight_the_new_containers_start_line_is_ours() -> None:
    talk = in_flight().tell(Attached(E2, "pod")).heard(started("asset", 1, 3))
    assert talk.statuses("asset") == "requested requested requested"
    talk.comes_back().expect_nothing().accepted().expect_nothing()
    talk.heard(written("asset", 1), written("asset", 2), written("asset", 3))
    assert (talk.state.status, len(talk.requests)) == ("done", 1)
    assert {known.attempts for known in talk.state.stage("asset").days.values()} == {1}


def test_in_flight_an_answer_that_was_quicker_than_the_news() -> None:
    """Accepted by the new container, of which we learn only then; its start line is in the log that is read."""
    talk = Talk(plan_of(ASSET)).up().accepted().restarts().tell(Attached(E2, "pod")).heard(started("asset", 1, 3))
    talk.comes_back().expect_nothing().heard(written("asset", 1), written("asset", 2), written("asset", 3))
    assert (talk.state.status, len(talk.requests)) == ("done", 1)


@pytest.mark.parametrize(
    "other",
    [
        started("asset", 1, 3, at=T0 - timedelta(seconds=6), stamped_by_runtime=True),
        started("asset", 1, 2),
        started("allocation", 1, 3),
        started("asset", 1, 3, resolution="1h"),
    ],
)
def test_in_flight_other_start_lines_are_not_ours(other: Fact) -> None:
    talk = Talk(plan_of(ASSET)).up().accepted().wait(seconds=1).restarts().heard(other)
    talk.comes_back().expect("asset", 1, 3, attempt=2)


def test_in_flight_the_late_answer_is_listened_for() -> None:
    """Accepted, by the dead container or by the living one: the start line decides."""
    for answer in (RequestAccepted(1, "200"), RequestUnclear(1, "reset")):
        talk = in_flight().comes_back().tell(answer).expect_nothing()
        assert talk.statuses("asset") == "requested requested requested"
        found = Talk(talk.plan, talk.state, talk.now)
        found.epoch = E2
        found.heard(started("asset", 1, 3), written("asset", 1), written("asset", 2), written("asset", 3))
        assert (found.state.status, found.requests) == ("done", [])
        talk.wait(seconds=1).heard(info_lines=2).wait(minutes=10)
        assert [each.attempt for each in talk.requests] == [1, 2]


@pytest.mark.parametrize("answer", [RequestRefused(1, "503"), RequestNotSent(1, "connection refused")])
def test_in_flight_and_taken_by_nobody_it_is_asked_again(answer: Event) -> None:
    talk = in_flight().comes_back().expect_nothing().tell(answer).expect("asset", 1, 3, attempt=2)
    assert talk.state.stage("asset").lost is None


def test_in_flight_and_our_own_death_on_top() -> None:
    talk = in_flight()
    later = Talk(talk.plan, talk.state, talk.now + timedelta(minutes=1))
    later.epoch = E2
    later.up().expect_nothing()
    assert later.statuses("asset") == "requested requested requested"
    later.wait(seconds=1).heard(info_lines=2).wait(minutes=10)
    assert [each.attempt for each in later.requests] == [2]


def test_in_flight_across_two_deaths() -> None:
    """Still awaited it is still ours to find; answered in the first life it cannot be at work in the third."""
    talk = in_flight().restarts(E3).heard(started("asset", 1, 3)).comes_back().expect_nothing()
    assert len(talk.requests) == 1
    other = Talk(plan_of(ASSET)).up().accepted().restarts(E2).restarts(E3).heard(started("asset", 1, 3))
    other.comes_back().expect("asset", 1, 3, attempt=2)


def test_in_flight_a_gap_in_the_new_log_forbids_to_send_again() -> None:
    talk = in_flight().loses().comes_back().tell(RequestUnclear(1, "reset"))
    talk.wait(seconds=1).heard(info_lines=2).wait(minutes=10).expect_held(HoldKind.SILENCE, "missing")
    assert len(talk.requests) == 1


def test_in_flight_without_a_start_line_lines_are_listened_for() -> None:
    talk = Talk(plan_of(USAGE)).up().restarts().comes_back().accepted().expect_nothing()
    talk.heard(active("cloudUsage", 1, 7, "A")).wait(minutes=5)
    assert (talk.state.status, len(talk.requests)) == ("done", 1)


# ---- rule 8: somebody else
# --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("foreign", "what"),
    [
        (started("asset", 2, mark="zzzzz"), "same stage, other window"),
        (started("asset", 1, 9, mark="zzzzz"), "same stage, wider window"),
        (started("allocation", 1, 3, mark="zzzzz"), "another stage"),
        (started("federation", 1, 3, mark="zzzzz"), "a stage that this run has not"),
        (started("asset", 1, 3, mark="zzzzz"), "the same window, again"),
    ],
)
def test_rule_8_a_foreign_repair_holds(foreign: Fact, what: str) -> None:
    talk = Talk(plan_of(ASSET, ALLOCATION, inbox=True)).up().accepted().heard(started("asset", 1, 3)).heard(foreign)
    talk.expect_held(HoldKind.DECISION, "started by somebody else", str(foreign.window))
    assert talk.state.stage("asset").status == "held", what
    assert talk.titles()[-1] == "somebody else repairs too, the run holds"
    talk.heard(written("asset", 1), written("asset", 2), written("asset", 3)).expect_nothing()
    assert talk.state.stage("asset").status == "held"
    talk.asked(Move.APPROVE).expect("allocation", 1, 3)


@pytest.mark.parametrize(
    "harmless",
    [
        started("asset", 1, 3),
        started("asset", 1, 3, resolution="1h", mark="zzzzz"),
        started("asset", 2, mark="zzzzz", at=T0 - timedelta(seconds=6), stamped_by_runtime=True),
        fact(Meaning.REPAIR_STARTED, None, days(2)),
        fact(Meaning.REPAIR_STARTED, "asset", None),
    ],
)
def test_rule_8_what_is_no_foreign_repair(harmless: Fact) -> None:
    talk = Talk(plan_of(ASSET)).up().accepted().heard(started("asset", 1, 3)).heard(harmless)
    talk.expect_going()


def test_rule_8_start_lines_of_another_epoch_are_not_judged() -> None:
    talk = Talk(plan_of(ASSET)).up().accepted().heard(started("asset", 1, 3))
    talk.heard(started("asset", 2, mark="zzzzz"), epoch=E2).expect_going()


def test_rule_8_before_our_own_start_line_too() -> None:
    """Theirs first: held; ours is still recognised as ours."""
    talk = Talk(plan_of(ASSET)).up().accepted().heard(started("asset", 2, mark="zzzzz"))
    talk.expect_held(HoldKind.DECISION).heard(started("asset", 1, 3), written("asset", 1))
    assert talk.statuses("asset") == "done requested requested"


def test_rule_8_a_stage_without_start_line_is_protected_too() -> None:
    talk = Talk(plan_of(USAGE)).up().accepted().heard(started("asset", 1, 3))
    talk.expect_held(HoldKind.DECISION, "asset")


def test_rule_8_our_own_line_of_an_earlier_request_may_come_late() -> None:
    talk = Talk(plan_of(staged(ASSET, chunk=1), last=2)).up().accepted().heard(started("asset", 1), written("asset", 1))
    talk.expect("asset", 2).accepted().heard(started("asset", 1)).expect_going()


def test_rule_8_a_pipeline_that_widens_widens_its_start_line() -> None:
    rules = replace(USAGE, prints_start=True)
    talk = Talk(plan_of(rules, last=2)).up().accepted().heard(started("cloudUsage", 1, 7)).expect_going()
    assert talk.state.stage("cloudUsage").open is not None
    talk.heard(active("cloudUsage", 1, 7, "A")).wait(minutes=5)
    assert talk.state.status == "done"


def test_a_pipeline_without_ids_starts_anew_at_every_request() -> None:
    """Its second start line looks like a repetition of the first, and is none."""
    talk = Talk(plan_of(ASSET, last=1)).up().accepted().heard(started("asset", 1, mark=None)).restarts().comes_back()
    talk.expect("asset", 1, attempt=2).accepted().heard(started("asset", 1, mark=None), written("asset", 1))
    assert talk.state.status == "done"
