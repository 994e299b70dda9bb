"""Which repair is asked for next, and what its answer means.

Stages in order, one request open at a time, never while the log is not heard, never more often than allowed. The state
that says "requested" leaves here together with the command; the shell saves the one before it carries out the other.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from watcher.core import abandoned, lost
from watcher.core.commands import Request
from watcher.core.counting import SKEW
from watcher.core.messages import run_started
from watcher.core.moves import ENDED_RUN, UNSETTLED, DayStatus, RunStatus, StageStatus
from watcher.core.settling import end_failed, finish_run, settle
from watcher.core.silence import is_heard_up_to_now, withdraw_wish
from watcher.core.state import Answer, HoldKind, Open, Stage
from watcher.core.turn import Turn, spell
from watcher.core.window import Window

FIRST_WAIT = timedelta(seconds=30)  # before a request that reached nobody is tried again; doubled each time


def advance(turn: Turn) -> None:
    """Settle what is settled: holds, failures, finished stages, a finished run; then ask for the next repair."""
    for stage in turn.state.stages:
        settle(turn, stage.name)
        if stage.not_before is not None and stage.not_before <= turn.now:
            turn.set_stage(stage.name, not_before=None)
    if turn.state.status in ENDED_RUN:
        return
    abandoned.release_if_over(turn)
    if all(stage.status in {StageStatus.DONE, StageStatus.SKIPPED} for stage in turn.state.stages):
        finish_run(turn)
        return
    if turn.plan.replay or turn.more:
        return
    if not _may_ask(turn):
        withdraw_wish(turn)
        return
    stage = next(s for s in turn.state.stages if s.status not in {StageStatus.DONE, StageStatus.SKIPPED})
    if stage.status is StageStatus.FAILED:  # another stage was retried, this one was not
        end_failed(turn, stage.name, stage.reason)
        return
    window = _next_window(turn, stage.name)
    if window is None or abandoned.hold_if_at_work(turn):
        withdraw_wish(turn)
    elif is_heard_up_to_now(turn):
        _ask(turn, stage.name, window)


def answer(turn: Turn, request: int, outcome: Answer, text: str) -> None:
    """The request was accepted, or nobody knows whether it was."""
    if lost.answered(turn, request, outcome, text):
        return
    name = _stage_of(turn, request)
    if name is None:
        return
    turn.record("request", f"request {request} {outcome}: {text}", name)
    held = turn.stage(name).open
    if held is not None and held.answer is Answer.AWAITED:
        silent_since = held.silent_since if held.active else turn.now
        turn.set_open(name, answer=outcome, note=text, silent_since=silent_since)
        turn.set_stage(name, unsent=0, unsent_since=None)


def refuse(turn: Turn, request: int, reason: str) -> None:
    """Kubecost will not do this: the days of the request are refused, the run fails."""
    if lost.answered(turn, request, None, reason):
        return
    name = _stage_of(turn, request)
    if name is None:
        return
    turn.record("request", f"request {request} refused: {reason}", name)
    if _was_begun(turn, name, reason):
        return
    for day in turn.stage(name).unsettled():
        turn.move_day(name, day, DayStatus.REFUSED, reason)
    turn.set_open(name, answer=Answer.ACCEPTED, note=reason, abandoned=frozenset())


def withhold(turn: Turn, request: int, reason: str) -> None:
    """A dry run: nothing was sent, the run holds and says what would have been."""
    if lost.answered(turn, request, None, reason):
        return
    name = _stage_of(turn, request)
    if name is None:
        return
    _take_back(turn, name, reason)
    turn.hold(HoldKind.DECISION, reason, name)


def try_later(turn: Turn, request: int, reason: str) -> None:
    """The request provably reached nobody, so it was none: ask again, ever more rarely, for a patience of days."""
    if lost.answered(turn, request, None, reason):
        return
    name = _stage_of(turn, request)
    if name is None:
        return
    turn.record("request", f"request {request} not sent: {reason}", name)
    if _was_begun(turn, name, reason):
        return
    _take_back(turn, name, reason)
    stage, patience = turn.stage(name), turn.rules(name).patience
    since = stage.unsent_since or turn.now
    wait = min(patience.start, FIRST_WAIT * 2 ** min(stage.unsent, 20))
    why = f"Kubecost cannot be reached: {reason}"
    turn.set_stage(name, not_before=turn.now + wait, unsent=stage.unsent + 1, unsent_since=since, reason=why)
    if turn.now - since < patience.day:
        return
    turn.set_stage(name, unsent=0, unsent_since=None)
    text = f"{name}: Kubecost cannot be reached since {since:%Y-%m-%d %H:%M:%S}Z: {reason}"
    if turn.hold(HoldKind.DECISION, text, name):
        turn.tell(("held",), "failure", f"{name}: Kubecost cannot be reached, the run holds", text)


def void(turn: Turn, cause: str, began_at: datetime | None = None) -> None:
    """A new epoch began: what is not proven of the open requests is lost, and will be asked for again.

    ``began_at``: when it began, where that is known; requests made after that are not concerned.
    """
    lost.forget_answered(turn)
    for stage in turn.state.stages:
        held = stage.open
        if held is None or (began_at is not None and began_at < held.requested_at - SKEW):
            continue
        days = [day for day in held.heard.days() if day in stage.days and _is_lost(stage, held, day)]
        if stage.status is StageStatus.DONE or not days:
            if held.answer is not Answer.AWAITED and not turn.plan.replay:
                turn.set_stage(stage.name, open=None)
            continue
        for day in days:
            turn.move_day(stage.name, day, DayStatus.PENDING, f"void: {cause}", inferred=False)
            turn.set_day(stage.name, day, covered=frozenset(), proven=frozenset(), hours=0)
        lost.lose(turn, stage.name, held)
        if turn.state.status in ENDED_RUN:
            continue
        turn.set_stage(stage.name, reason=f"void: {cause}")
        if turn.state.hold is not None and turn.state.hold.kind is HoldKind.SILENCE:
            turn.release("the container began anew, its work is void")
        what = "will be requested again" if not turn.plan.replay else "are lost"
        turn.tell(
            ("restarted",), "warning", f"{stage.name}: the container restarted", f"{cause}. {spell(days)} {what}."
        )


# ---- asking ---------------------------------------------------------------------------------------------------------


def _may_ask(turn: Turn) -> bool:
    state = turn.state
    if state.status not in {RunStatus.PENDING, RunStatus.RUNNING}:
        return False
    if not (state.log.connected and state.log.ready and state.log.blind_since is None):
        return False
    if state.log.heard_until is None or lost.is_awaited(state):
        return False
    return not any(_is_open(stage) for stage in state.stages)


def _is_open(stage: Stage) -> bool:
    """True while Kubecost owes us a line or an answer of this stage."""
    if stage.open is None or stage.status is StageStatus.SKIPPED:
        return False
    return stage.open.answer is Answer.AWAITED or bool(stage.unsettled())


def _next_window(turn: Turn, name: str) -> Window | None:
    """The first contiguous pending days of the stage, no more than one chunk."""
    stage, limit = turn.stage(name), turn.rules(name).chunk_days
    if stage.not_before is not None and turn.now < stage.not_before:
        return None
    days: list[date] = []
    for day in sorted(stage.days):
        if stage.days[day].status is not DayStatus.PENDING:
            if days:
                break
            continue
        days.append(day)
        if limit is not None and len(days) >= limit:
            break
    return Window.of_days(days[0], days[-1]) if days else None


def _ask(turn: Turn, name: str, window: Window) -> None:
    stage, state = turn.stage(name), turn.state
    attempt = max(stage.days[day].attempts for day in window.days()) + 1
    if attempt > turn.plan.max_attempts:
        _hold_for_attempts(turn, name, window)
        return
    number = state.next_request
    first = state.started_at is None
    for day in window.days():
        known = stage.days[day]
        turn.move_day(name, day, DayStatus.REQUESTED, None, attempts=known.attempts + 1, inferred=False, at=turn.now)
        turn.set_day(name, day, covered=frozenset(), proven=frozenset(), hours=0, rows_in=None, rows_out=None)
        turn.set_day(name, day, seconds=None, evidence=None)
    log = state.log
    held = Open(number, window, log.epoch, requested_at=turn.now, silent_since=turn.now, info_lines=log.info_lines)
    turn.set_stage(name, open=held, lost=None, requests=stage.requests + 1, not_before=None)
    turn.move_stage(name, StageStatus.RUNNING, None, started_at=stage.started_at or turn.now)
    turn.set(next_request=number + 1, started_at=state.started_at or turn.now)
    turn.move_run(RunStatus.RUNNING, None)
    turn.record("request", f"request {number}: {name} {window}, attempt {attempt}", name)
    turn.commands.append(Request(number, name, window, attempt))
    if first:
        turn.tell(("run_started",), "info", *run_started(turn.state))


def _hold_for_attempts(turn: Turn, name: str, window: Window) -> None:
    stage = turn.stage(name)
    days = [day for day in window.days() if stage.days[day].attempts >= turn.plan.max_attempts]
    why = stage.reason or stage.days[days[0]].reason or "the work was lost each time"
    reason = f"{name} {spell(days)}: requested {turn.plan.max_attempts} times without an end; last cause: {why}"
    if turn.hold(HoldKind.DECISION, reason, name):
        turn.tell(("held",), "failure", f"{name}: out of attempts, the run holds", reason)


def _stage_of(turn: Turn, request: int) -> str | None:
    for stage in turn.state.stages:
        if stage.open is not None and stage.open.request == request:
            return stage.name
    turn.record("note", f"an answer to request {request}, which is not open any more")
    return None


def _take_back(turn: Turn, name: str, reason: str) -> None:
    """Nothing was sent, so nothing was attempted."""
    for day in turn.stage(name).unsettled():
        attempts = turn.stage(name).days[day].attempts - 1
        turn.move_day(name, day, DayStatus.PENDING, reason, attempts=attempts, at=None)
    turn.set_stage(name, open=None)


def _was_begun(turn: Turn, name: str, reason: str) -> bool:
    """The start line proves that the request was taken up. The log is nearer to the truth than a gateway."""
    held = turn.stage(name).open
    if held is None or not held.started:
        return False
    turn.set_open(name, answer=Answer.ACCEPTED, note=f"answered otherwise, yet begun: {reason}")
    return True


def _is_lost(stage: Stage, held: Open, day: date) -> bool:
    known = stage.days[day]
    concluded = known.status is DayStatus.DONE and known.inferred and held.window.covers(day)
    return concluded or known.status in UNSETTLED | {DayStatus.UNCLEAR}
