"""A request that was on its way when a container died: the next container may have received it.

A new epoch makes the open request void, but the request itself may still be on the wire, or have reached the new
container before we learned of it. So it is remembered: while its answer is awaited nothing else is asked for, and a
start line of its stage and window in the new epoch's log, from after the request, makes it ours again, with the same
attempt.
"""

from __future__ import annotations

from dataclasses import replace

from watcher.core.counting import is_of_request
from watcher.core.events import Epoch, Fact
from watcher.core.moves import ENDED_RUN, DayStatus
from watcher.core.state import Answer, Open, Stage, State
from watcher.core.turn import Turn


def is_awaited(state: State) -> bool:
    """True while the answer to a request that a new epoch made void has not come."""
    return any(stage.lost is not None and stage.lost.answer is Answer.AWAITED for stage in state.stages)


def lose(turn: Turn, name: str, held: Open) -> None:
    """The open request is void; remember it."""
    turn.set_stage(name, open=None, lost=held)


def forget_answered(turn: Turn) -> None:
    """Another epoch began: what was answered in an earlier one cannot be at work in this one."""
    for stage in turn.state.stages:
        if stage.lost is not None and stage.lost.answer is not Answer.AWAITED:
            turn.set_stage(stage.name, lost=None)


def answered(turn: Turn, request: int, outcome: Answer | None, text: str) -> bool:
    """Learn the answer to a lost request; False where ``request`` is none. None: it was not taken up by anybody.

    Taken up may mean by the container that died or by the one that lives, so the start line is listened for.
    """
    stage = next((each for each in turn.state.stages if each.lost is not None and each.lost.request == request), None)
    if stage is None or stage.lost is None:
        return False
    said = outcome or "not taken"
    turn.record("request", f"request {request}, void since the container died: {said}: {text}", stage.name)
    if outcome is None:
        turn.set_stage(stage.name, lost=None)
    elif stage.lost.answer is Answer.AWAITED:
        note = f"the container died while its answer was awaited: {text}"
        _take_up(turn, stage, replace(stage.lost, answer=Answer.UNCLEAR, note=note))
    return True


def adopt(turn: Turn, fact: Fact, epoch: Epoch | None) -> bool:
    """Take up the lost request that this start line belongs to; False where it belongs to none."""
    for stage in turn.state.stages:
        lost = stage.lost
        if lost is None or stage.open is not None or (fact.stage, fact.window) != (stage.name, lost.window):
            continue
        if not is_of_request(lost, turn.state.log.epoch, fact, epoch) or (fact.id, fact.window) in stage.starts:
            continue
        answer = lost.answer if lost.answer is Answer.AWAITED else Answer.ACCEPTED
        turn.record("request", f"request {lost.request} reached the new container", stage.name, evidence=fact.line)
        return _take_up(turn, stage, replace(lost, answer=answer))
    return False


def _take_up(turn: Turn, stage: Stage, lost: Open) -> bool:
    """Make the lost request the open one of the present epoch; False where nothing is left for it to do."""
    turn.set_stage(stage.name, lost=None)
    days = [day for day in lost.window.days() if stage.days[day].status is DayStatus.PENDING]
    if not days or turn.state.status in ENDED_RUN:
        return False
    for day in days:
        turn.move_day(stage.name, day, DayStatus.REQUESTED, None)
    fresh = replace(lost, epoch=turn.state.log.epoch, silent_since=turn.now, started=False, active=False, again=False)
    turn.set_stage(stage.name, open=fresh, reason=None)
    return True
