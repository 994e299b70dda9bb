"""What a person may do to a run, and what it means for days, stages and the hold."""

from __future__ import annotations

from datetime import date

from watcher.core import abandoned
from watcher.core.events import Move, OperatorAsked
from watcher.core.moves import ENDED_RUN, ENDED_STAGE, DayStatus, RunStatus, StageStatus
from watcher.core.state import HoldKind, State
from watcher.core.turn import Turn, spell

_RETRIED = frozenset({DayStatus.FAILED, DayStatus.UNCLEAR, DayStatus.EMPTY, DayStatus.REFUSED})
_ASIDE = frozenset({DayStatus.DONE, DayStatus.SKIPPED})  # these a person must name


def objection(state: State, asked: OperatorAsked) -> str | None:
    """Why this move is not allowed now; None where it is."""
    match asked.move:
        case Move.PAUSE if state.status in ENDED_RUN or state.paused is not None:
            return f"the run is {'paused already' if state.paused is not None else state.status}"
        case Move.RESUME if state.paused is None:
            return "the run is not paused; a hold ends by approve, retry or skip"
        case Move.APPROVE if state.hold is None:
            return f"nothing waits for approval, the run is {state.status}"
        case Move.ABORT if state.status in {RunStatus.DONE, RunStatus.ABORTED}:
            return f"the run is {state.status}"
        case Move.RETRY | Move.SKIP if state.status in {RunStatus.DONE, RunStatus.ABORTED}:
            return f"the run is {state.status}"
        case Move.RETRY | Move.SKIP if not _chosen(state, asked):
            return "no day of this choice can be " + ("retried" if asked.move is Move.RETRY else "skipped")
        case _:
            return None


def steer(turn: Turn, asked: OperatorAsked) -> None:
    """Carry out a person's wish; one that is not allowed now is recorded and changes nothing."""
    why = objection(turn.state, asked)
    reason = asked.reason or "no reason given"
    if why is not None:
        turn.record("illegal", f"{asked.move}: {why}")
        return
    turn.record("run", f"{asked.move} by a person: {reason}", asked.stage, asked.day)
    match asked.move:
        case Move.PAUSE:
            turn.set(paused=reason)
            if turn.state.status is not RunStatus.HELD:
                turn.move_run(RunStatus.PAUSED, reason)
        case Move.RESUME:
            turn.set(paused=None)
            if turn.state.status is RunStatus.PAUSED:
                turn.move_run(RunStatus.RUNNING, None)
        case Move.ABORT:
            turn.set(hold=None)
            turn.move_run(RunStatus.ABORTED, reason)
        case Move.APPROVE:
            _approve(turn, reason)
        case Move.RETRY:
            _put_back(turn, asked, DayStatus.PENDING, reason)
        case Move.SKIP:
            _put_back(turn, asked, DayStatus.SKIPPED, reason)


def _approve(turn: Turn, reason: str) -> None:
    """Go on in spite of the reason for the hold; emptied days that it told of are accepted as they are, by name."""
    hold = turn.state.hold
    if hold is not None and hold.stage is not None:
        for day, known in turn.stage(hold.stage).days.items():
            if known.status is DayStatus.EMPTY and day in hold.emptied:
                turn.move_day(hold.stage, day, DayStatus.SKIPPED, f"accepted empty: {reason}")
            elif known.status is DayStatus.UNCLEAR:
                turn.move_day(hold.stage, day, DayStatus.RUNNING, f"waiting again: {reason}")
            elif known.status is DayStatus.PENDING and known.attempts >= turn.plan.max_attempts:
                turn.set_day(hold.stage, day, attempts=0)
        turn.set_open(hold.stage, silent_since=turn.now, again=True)
        if hold.kind is HoldKind.ABANDONED:
            abandoned.is_over(turn, hold.stage, turn.stage(hold.stage).days)
    turn.release(reason)


def _put_back(turn: Turn, asked: OperatorAsked, status: DayStatus, reason: str) -> None:
    for name, days in _chosen(turn.state, asked).items():
        if status is DayStatus.SKIPPED:
            abandoned.abandon(turn, name, set(days).intersection(turn.stage(name).unsettled()))
        for day in days:
            changes = {"attempts": 0} if status is DayStatus.PENDING else {}
            turn.move_day(name, day, status, f"{asked.move}: {reason} ({spell([day])})", inferred=False, **changes)
        if turn.stage(name).status in ENDED_STAGE:
            turn.move_stage(name, StageStatus.RUNNING, reason, finished_at=None)
    if turn.state.hold is not None:
        turn.release(reason)
    elif turn.state.status is RunStatus.FAILED:
        turn.go_on(reason)


def _chosen(state: State, asked: OperatorAsked) -> dict[str, list[date]]:
    """The days that a retry or skip means: the named ones, else every day that did not end well."""
    chosen: dict[str, list[date]] = {}
    for stage in state.stages:
        if asked.stage not in (None, stage.name):
            continue
        for day, known in stage.days.items():
            named = asked.day == day or (asked.day is None and asked.move is Move.SKIP and asked.stage is not None)
            stuck, aside = known.status in _RETRIED, known.status in _ASIDE
            if asked.move is Move.SKIP:
                fits = stuck or (named and not aside)
            else:  # a void day out of attempts gets new ones
                void = known.status is DayStatus.PENDING and known.attempts > 0
                fits = stuck or void or (named and aside)
            if asked.day in (None, day) and fits:
                chosen.setdefault(stage.name, []).append(day)
    return chosen
