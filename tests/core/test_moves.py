"""Every move that is allowed, and every one that is not: those are recorded and change nothing."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from tests.core.scripts import ASSET, T0, day, plan_of
from watcher.core.commands import Record
from watcher.core.moves import DAY_MOVES, RUN_MOVES, STAGE_MOVES, DayStatus, RunStatus, StageStatus
from watcher.core.state import State
from watcher.core.turn import Turn

PLAN = plan_of(ASSET)
BEGIN = State.begin(PLAN)

DAYS = {
    "pending": "requested skipped",
    "requested": "pending running done empty failed unclear skipped refused",
    "running": "pending done empty failed unclear skipped refused",
    "done": "pending running empty failed",
    "empty": "pending skipped",
    "failed": "pending skipped",
    "unclear": "pending running done empty failed skipped",
    "skipped": "pending",
    "refused": "pending skipped",
}
STAGES = {
    "pending": "running done held skipped",
    "running": "done failed held skipped",
    "done": "running",
    "failed": "running skipped",
    "held": "running done failed skipped",
    "skipped": "running",
}
RUNS = {
    "pending": "running paused held done failed aborted",
    "running": "paused held done failed aborted",
    "paused": "running held done failed aborted",
    "held": "running paused done failed aborted",
    "done": "",
    "failed": "running aborted",
    "aborted": "",
}


@pytest.mark.parametrize(("table", "expected"), [(DAY_MOVES, DAYS), (STAGE_MOVES, STAGES), (RUN_MOVES, RUNS)])
def test_the_tables_say_what_this_page_says(table: dict[str, frozenset[str]], expected: dict[str, str]) -> None:
    """Written twice on purpose: a change of the tables must be wanted."""
    assert {str(before): {str(after) for after in afters} for before, afters in table.items()} == {
        before: set(afters.split()) for before, afters in expected.items()
    }


def judged(turn: Turn, *, moved: bool, allowed: bool, kind: str) -> None:
    kinds = [command.kind for command in turn.commands if isinstance(command, Record)]
    assert moved is allowed
    assert kinds == [kind if allowed else "illegal"]


@pytest.mark.parametrize(("before", "after"), [pair for pair in product(DayStatus, repeat=2) if pair[0] != pair[1]])
def test_a_day_moves_only_as_allowed(before: DayStatus, after: DayStatus) -> None:
    stage = BEGIN.stages[0]
    days = {**stage.days, day(2): replace(stage.days[day(2)], status=before)}
    state = replace(BEGIN, stages=(replace(stage, days=days),))
    turn = Turn(state, T0, PLAN)
    moved = turn.move_day("asset", day(2), after, "because", attempts=7)
    allowed = str(after) in DAYS[before].split()
    judged(turn, moved=moved, allowed=allowed, kind="day")
    known = turn.stage("asset").days[day(2)]
    assert (known.status, known.attempts) == ((after, 7) if allowed else (before, 0))
    assert allowed or turn.state == state


@pytest.mark.parametrize(("before", "after"), [pair for pair in product(StageStatus, repeat=2) if pair[0] != pair[1]])
def test_a_stage_moves_only_as_allowed(before: StageStatus, after: StageStatus) -> None:
    state = replace(BEGIN, stages=(replace(BEGIN.stages[0], status=before),))
    turn = Turn(state, T0, PLAN)
    moved = turn.move_stage("asset", after, "because")
    allowed = str(after) in STAGES[before].split()
    judged(turn, moved=moved, allowed=allowed, kind="stage")
    assert turn.stage("asset").status is (after if allowed else before)
    assert allowed or turn.state == state


@pytest.mark.parametrize(("before", "after"), [pair for pair in product(RunStatus, repeat=2) if pair[0] != pair[1]])
def test_a_run_moves_only_as_allowed(before: RunStatus, after: RunStatus) -> None:
    state = replace(BEGIN, status=before)
    turn = Turn(state, T0, PLAN)
    moved = turn.move_run(after, "because")
    allowed = str(after) in RUNS[before].split()
    judged(turn, moved=moved, allowed=allowed, kind="run")
    assert turn.state.status is (after if allowed else before)
    assert allowed or turn.state == state
    assert (turn.state.finished_at is not None) == (allowed and after in {"done", "failed", "aborted"})


def test_staying_is_no_move() -> None:
    """The reason may change without a line in the journal."""
    turn = Turn(BEGIN, T0, PLAN)
    assert turn.move_day("asset", day(1), DayStatus.PENDING, "why")
    assert turn.move_stage("asset", StageStatus.PENDING, "why")
    assert turn.move_run(RunStatus.PENDING, "why")
    assert turn.commands == []
    assert (turn.state.reason, turn.stage("asset").reason, turn.stage("asset").days[day(1)].reason) == ("why",) * 3
