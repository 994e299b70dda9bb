"""What follows from the states of a stage's days: it is done, it fails and ends the run, or the run holds."""

from __future__ import annotations

from watcher.core.messages import run_done, stage_done
from watcher.core.moves import ENDED_RUN, DayStatus, RunStatus, StageStatus
from watcher.core.state import HoldKind, Stage
from watcher.core.turn import Turn, spell

SETTLED = frozenset({DayStatus.DONE, DayStatus.SKIPPED})
SPOILT = frozenset({DayStatus.EMPTY, DayStatus.FAILED, DayStatus.REFUSED})


def settle(turn: Turn, name: str) -> None:
    """Move the stage, and with it the run, to where its days are: done, failed, or held with the reason."""
    stage = turn.stage(name)
    if stage.status is StageStatus.PENDING and all(day.status is DayStatus.SKIPPED for day in stage.days.values()):
        turn.move_stage(name, StageStatus.SKIPPED, "every day was skipped")
    found = {day.status for day in stage.days.values()}
    if stage.status is StageStatus.DONE and found & SPOILT and turn.state.status not in ENDED_RUN:
        turn.move_stage(name, StageStatus.RUNNING, "what looked done is not", finished_at=None)
        stage = turn.stage(name)
    if stage.status not in {StageStatus.RUNNING, StageStatus.HELD}:
        return
    if found & {DayStatus.FAILED, DayStatus.REFUSED}:
        _fail(turn, stage)
    elif DayStatus.EMPTY in found:
        _hold_for_emptied(turn, stage)
    elif DayStatus.UNCLEAR in found and turn.state.hold is None and not stage.unsettled():
        unclear = [day for day, known in stage.days.items() if known.status is DayStatus.UNCLEAR]
        _hold_for_silence(turn, stage, f"{name} {spell(unclear)}: {stage.days[unclear[0]].reason}")
    elif stage.status is StageStatus.RUNNING and all(day.status in SETTLED for day in stage.days.values()):
        finished = turn.stamp(max((day.at for day in stage.days.values() if day.at is not None), default=None))
        turn.move_stage(name, StageStatus.DONE, None, finished_at=finished if turn.plan.replay else turn.now)
        turn.tell(("stage_done",), "success", *stage_done(turn.state, name))


def _fail(turn: Turn, stage: Stage) -> None:
    days = [day for day, known in stage.days.items() if known.status in {DayStatus.FAILED, DayStatus.REFUSED}]
    reason = f"{stage.name} {spell(days)}: {stage.days[days[0]].reason}"
    turn.move_stage(stage.name, StageStatus.FAILED, reason)
    end_failed(turn, stage.name, reason)


def end_failed(turn: Turn, name: str, reason: str | None) -> None:
    """The run ends with this stage; people are told once."""
    if turn.state.status not in ENDED_RUN:
        turn.set(hold=None)
        turn.move_run(RunStatus.FAILED, reason)
        turn.tell(("failed",), "failure", f"{name}: failed, the run ends", reason or "")


def _hold_for_emptied(turn: Turn, stage: Stage) -> None:
    emptied = frozenset(day for day, known in stage.days.items() if known.status is DayStatus.EMPTY)
    hold = turn.state.hold
    if hold is not None and hold.kind is HoldKind.DECISION:
        return  # told when that one ends
    text = f"{stage.name} {spell(list(emptied))}: written empty. Are the metrics of these days still there?"
    if turn.hold(HoldKind.DECISION, text, stage.name, emptied):
        turn.tell(("held",), "failure", f"{stage.name}: a day was emptied, the run holds", text)


def _hold_for_silence(turn: Turn, stage: Stage, text: str) -> None:
    """A hold for something else ended, and this silence is still unexplained."""
    if turn.hold(HoldKind.SILENCE, text, stage.name):
        count = stage.count(DayStatus.UNCLEAR)
        turn.tell(("unclear", "held"), "warning", f"{stage.name}: {count} day(s) unclear, the run holds", text)


def finish_run(turn: Turn) -> None:
    """Every stage is done or skipped, and so is the run."""
    turn.set(hold=None)
    if turn.move_run(RunStatus.DONE, None):
        turn.tell(("run_done",), "success", *run_done(turn.state))
