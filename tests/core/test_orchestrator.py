"""``step`` as a whole: the way through a run, what every event does, and how long a step takes."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from tests.core.scripts import (
    ALLOCATION,
    ASSET,
    E1,
    E2,
    RECONCILIATION,
    T0,
    USAGE,
    Talk,
    plan_of,
    started,
    written,
)
from watcher.core.commands import Request
from watcher.core.events import (
    Attached,
    CaughtUp,
    DeadlineReached,
    EpochChanged,
    Event,
    Gap,
    GapFound,
    LogRead,
    TargetReady,
)
from watcher.core.orchestrator import KEPT_GAPS, step
from watcher.core.state import State


def test_the_request_leaves_together_with_the_state_that_says_so() -> None:
    """The shell saves the one before it carries out the other."""
    talk = Talk(plan_of(ASSET)).up()
    assert [each for each in talk.last if isinstance(each, Request)] == [talk.requests[0]]
    held = talk.state.stage("asset").open
    assert held is not None
    assert (held.request, held.answer, talk.statuses("asset")) == (1, "awaited", "requested requested requested")


def test_a_step_is_a_function_of_its_arguments() -> None:
    """The state that went in is as it was; the same again gives the same."""
    talk = Talk(plan_of(ASSET)).up().accepted().heard(started("asset", 1, 3))
    event = LogRead(E1, (written("asset", 1),), 1, 1)
    before = talk.state
    copy = replace(before)
    first = step(before, event, talk.now, talk.plan)
    assert before == copy
    assert before.stage("asset").count(first[0].stage("asset").days[min(before.stage("asset").days)].status) == 0
    assert step(before, event, talk.now, talk.plan) == first


def test_every_move_is_in_the_journal_with_its_evidence() -> None:
    talk = Talk(plan_of(ASSET, last=1)).up().accepted().heard(started("asset", 1), written("asset", 1))
    moves = [(each.kind, each.stage, each.before, each.after) for each in talk.records if each.after is not None]
    assert moves == [
        ("day", "asset", "pending", "requested"),
        ("stage", "asset", "pending", "running"),
        ("run", None, "pending", "running"),
        ("day", "asset", "requested", "done"),
        ("stage", "asset", "running", "done"),
        ("run", None, "running", "done"),
    ]
    assert next(each.evidence for each in talk.records if each.after == "done") == written("asset", 1).line
    assert {each.at for each in talk.records} == {T0}


def test_the_first_epoch_voids_nothing() -> None:
    """It is learned, not changed."""
    talk = Talk(plan_of(ASSET)).tell(EpochChanged(E1, "first seen"))
    assert talk.state.log.epoch == E1
    assert talk.statuses("asset") == "pending pending pending"


@pytest.mark.parametrize("told", [Attached(E1, "pod"), TargetReady(E1)])
def test_the_epoch_is_learned_from_whoever_names_it_first(told: Attached | TargetReady) -> None:
    assert Talk(plan_of(ASSET)).tell(told).state.log.epoch == E1


def test_reading_a_dead_containers_log_to_its_end_is_no_new_epoch() -> None:
    """After our own restart the source may open the old log first; the lines are those of the old epoch."""
    talk = Talk(plan_of(ASSET)).up().accepted().restarts().comes_back().accepted()
    before = talk.state.stages
    talk.tell(Attached(E1, "pod"))
    assert (talk.state.log.epoch, talk.state.stages) == (E2, before)


def test_reconnects_are_counted() -> None:
    talk = Talk(plan_of(ASSET)).up()
    assert talk.state.log.reconnects == 0
    talk.blind().heals().blind().heals()
    assert (talk.state.log.reconnects, talk.state.log.attachments) == (2, 3)


def test_only_so_many_gaps_are_kept() -> None:
    talk = Talk(plan_of(ASSET))
    for number in range(KEPT_GAPS + 5):
        talk.tell(GapFound(Gap(None, None, str(number))))
    assert [gap.cause for gap in talk.state.log.gaps][:: KEPT_GAPS - 1] == ["5", str(KEPT_GAPS + 4)]


def test_what_was_heard_never_goes_back() -> None:
    talk = Talk(plan_of(ASSET)).up().wait(minutes=1)
    talk.tell(CaughtUp(talk.now)).tell(CaughtUp(T0))
    assert talk.state.log.heard_until == talk.now


def test_the_way_through_a_long_run_is_quick_enough() -> None:
    """400 days in 4 stages: one step with one fact; the limit is generous, a machine may be busy."""
    plan = plan_of(ASSET, USAGE, RECONCILIATION, ALLOCATION, last=400)
    talk = Talk(plan).up().accepted().heard(started("asset", 1, 400))
    state: State = talk.state
    events: list[Event] = [LogRead(E1, (written("asset", number),), 1, 1) for number in range(1, 201)]
    took = []
    for event in [*events, *[DeadlineReached()] * 50]:
        begin = time.perf_counter()
        state, _ = step(state, event, talk.now, plan)
        took.append(time.perf_counter() - begin)
    took.sort()
    assert took[len(took) // 2] < 0.02
