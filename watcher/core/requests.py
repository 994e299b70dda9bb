"""Which repair is asked for next, and what its answer means.

Stages in order, one request open at a time, never while the log is not heard, never more often than allowed. The state
that says "requested" leaves here together with the command; the shell saves the one before it carries out the other.
"""

from __future__ import annotations

from datetime import date, timedelta

from watcher.core.commands import Request
from watcher.core.completion import describe
from watcher.core.messages import run_done, run_started, stage_done
from watcher.core.moves import ENDED_RUN, UNSETTLED, DayStatus, RunStatus, StageStatus
from watcher.core.state import Answer, HoldKind, Open, Stage
from watcher.core.turn import Turn, spell
from watcher.core.window import Window

SETTLED = frozenset({DayStatus.DONE, DayStatus.SKIPPED})


def advance(turn: Turn) -> None:
    """Settle what is settled: holds, failures, finished stages, a finished run; then ask for the next repair."""
    for stage in turn.state.stages:
        _settle(turn, stage.name)
    if turn.state.status in ENDED_RUN:
        return
    if all(stage.status in {StageStatus.DONE, StageStatus.SKIPPED} for stage in turn.state.stages):
        _finish_run(turn)
        return
    if turn.plan.replay or not _may_ask(turn):
        return
    name = next(s.name for s in turn.state.stages if s.status not in {StageStatus.DONE, StageStatus.SKIPPED})
    window = _next_window(turn, name)
    if window is not None:
        _ask(turn, name, window)


def answer(turn: Turn, request: int, outcome: Answer, text: str) -> None:
    """The request was accepted, or nobody knows whether it was."""
    name = _stage_of(turn, request)
    if name is None:
        return
    turn.record("request", f"request {request} {outcome}: {text}", name)
    held = turn.stage(name).open
    if held is not None and held.answer is Answer.AWAITED:
        silent_since = held.silent_since if held.active else turn.now
        turn.set_open(name, answer=outcome, note=text, silent_since=silent_since)


def refuse(turn: Turn, request: int, reason: str) -> None:
    """Kubecost will not do this: the days of the request are refused, the run fails."""
    name = _stage_of(turn, request)
    if name is None:
        return
    turn.record("request", f"request {request} refused: {reason}", name)
    held = turn.stage(name).open
    if held is not None and held.active:
        # The log says that it was taken up. The log is nearer to the truth than whatever stood in front of Kubecost.
        turn.set_open(name, answer=Answer.ACCEPTED, note=f"answered with a refusal, yet begun: {reason}")
        return
    for day in turn.stage(name).unsettled():
        turn.move_day(name, day, DayStatus.REFUSED, reason)
    turn.set_open(name, answer=Answer.ACCEPTED, note=reason)


def withhold(turn: Turn, request: int, reason: str) -> None:
    """A dry run: nothing was sent, the run holds and says what would have been."""
    name = _stage_of(turn, request)
    if name is None:
        return
    _take_back(turn, name, reason)
    turn.hold(HoldKind.DECISION, reason, name)


def try_later(turn: Turn, request: int, reason: str) -> None:
    """The request provably reached nobody: ask again after a while, as often as is allowed."""
    name = _stage_of(turn, request)
    if name is None:
        return
    turn.record("request", f"request {request} not sent: {reason}", name)
    attempt = max((turn.stage(name).days[day].attempts for day in turn.stage(name).unsettled()), default=1)
    _take_back(turn, name, reason)
    wait = min(turn.rules(name).patience.start, timedelta(seconds=30) * 2 ** (attempt - 1))
    turn.set_stage(name, not_before=turn.now + wait, reason=f"Kubecost cannot be reached: {reason}")


def void(turn: Turn, cause: str) -> None:
    """A new epoch began: what is not proven of the open requests is lost, and will be asked for again."""
    for stage in turn.state.stages:
        held = stage.open
        if held is None or stage.status in {StageStatus.SKIPPED, StageStatus.FAILED}:
            continue
        lost = [day for day in held.window.days() if day in stage.days and _is_lost(stage, day)]
        if stage.status is StageStatus.DONE or not lost:
            continue
        for day in lost:
            turn.move_day(stage.name, day, DayStatus.PENDING, f"void: {cause}", inferred=False)
            turn.set_day(stage.name, day, covered=frozenset(), proven=frozenset(), hours=0)
        turn.set_stage(stage.name, open=None, reason=f"void: {cause}")
        if turn.state.hold is not None and turn.state.hold.kind is HoldKind.SILENCE:
            turn.release("the container began anew, its work is void")
        what = "will be requested again" if not turn.plan.replay else "are lost"
        turn.tell(("restarted",), "warning", f"{stage.name}: the container restarted", f"{cause}. {spell(lost)} {what}.")


# ---- settling -------------------------------------------------------------------------------------------------------


def _settle(turn: Turn, name: str) -> None:
    stage = turn.stage(name)
    if stage.status is StageStatus.PENDING and all(day.status is DayStatus.SKIPPED for day in stage.days.values()):
        turn.move_stage(name, StageStatus.SKIPPED, "every day was skipped")
    if stage.status not in {StageStatus.RUNNING, StageStatus.HELD}:
        return
    if stage.count(DayStatus.FAILED) or stage.count(DayStatus.REFUSED):
        _fail(turn, stage)
    elif stage.count(DayStatus.EMPTY) and stage.status is StageStatus.RUNNING:
        text = f"{name} {describe(turn, name, DayStatus.EMPTY)}: written empty. Are the metrics of these days still there?"
        if turn.hold(HoldKind.DECISION, text, name):
            turn.tell(("held",), "failure", f"{name}: a day was emptied, the run holds", text)
    elif stage.status is StageStatus.RUNNING and all(day.status in SETTLED for day in stage.days.values()):
        finished = turn.stamp(max((day.at for day in stage.days.values() if day.at is not None), default=None))
        turn.move_stage(name, StageStatus.DONE, None, finished_at=finished if turn.plan.replay else turn.now)
        turn.tell(("stage_done",), "success", *stage_done(turn.state, name))


def _fail(turn: Turn, stage: Stage) -> None:
    days = [day for day, known in stage.days.items() if known.status in {DayStatus.FAILED, DayStatus.REFUSED}]
    reason = f"{stage.name} {spell(days)}: {stage.days[days[0]].reason}"
    turn.move_stage(stage.name, StageStatus.FAILED, reason)
    if turn.state.status not in ENDED_RUN:
        turn.set(hold=None)
        turn.move_run(RunStatus.FAILED, reason)
        turn.tell(("failed",), "failure", f"{stage.name}: failed, the run ends", reason)


def _finish_run(turn: Turn) -> None:
    turn.set(hold=None)
    if turn.move_run(RunStatus.DONE, None):
        turn.tell(("run_done",), "success", *run_done(turn.state))


# ---- asking ---------------------------------------------------------------------------------------------------------


def _may_ask(turn: Turn) -> bool:
    state = turn.state
    if state.status not in {RunStatus.PENDING, RunStatus.RUNNING}:
        return False
    if not (state.log.connected and state.log.ready and state.log.blind_since is None):
        return False
    if state.log.heard_until is None:
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
    turn.set_stage(name, open=held, requests=stage.requests + 1, not_before=None)
    turn.move_stage(name, StageStatus.RUNNING, None, started_at=stage.started_at or turn.now)
    turn.set(next_request=number + 1, started_at=state.started_at or turn.now)
    turn.move_run(RunStatus.RUNNING, None)
    turn.record("request", f"request {number}: {name} {window}, attempt {attempt}", name)
    turn.commands.append(Request(number, name, window, attempt))
    if first:
        turn.tell(("run_started",), "info", *run_started(turn.state))


def _hold_for_attempts(turn: Turn, name: str, window: Window) -> None:
    stage = turn.stage(name)
    days = list(window.days())
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
    for day in turn.stage(name).unsettled():
        turn.move_day(name, day, DayStatus.PENDING, reason)
    turn.set_stage(name, open=None)


def _is_lost(stage: Stage, day: date) -> bool:
    known = stage.days[day]
    return known.status in UNSETTLED | {DayStatus.UNCLEAR} or (known.status is DayStatus.DONE and known.inferred)

