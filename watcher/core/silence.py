"""What silence means, and when: every deadline of the core is computed here, none is counted.

Silence is not death. It becomes quiet (a conclusion, where the profile allows it) or ``unclear`` (a hold that people
are told of), never another request; the one exception is a request of which nobody knows whether it arrived, where the
start line that must have followed is provably absent. Nothing is concluded from a silence that was not heard: while
blind the clock stands still, and every deadline needs a ``CaughtUp`` from after it.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from watcher.core.commands import Confirm
from watcher.core.judging import conclude_quiet, missing, rests_by_quiet
from watcher.core.moves import ENDED_RUN, UNSETTLED, DayStatus, RunStatus, StageStatus
from watcher.core.plan import Plan
from watcher.core.state import Answer, HoldKind, Open, State
from watcher.core.turn import Turn, spell

TELL_AGAIN = timedelta(hours=12)
FRESH = timedelta(seconds=10)  # how long ago the log may have been heard to its end when a request is made
SECOND = timedelta(seconds=1)


def listen(turn: Turn) -> None:
    """Draw the conclusions of silence that are due, stage by stage."""
    _hold_while_deaf(turn)
    if turn.state.status in ENDED_RUN or turn.state.log.blind_since is not None:
        return
    if turn.state.log.wished_at is not None:
        if _may_ask_again(turn):
            _confirm(turn)
    elif turn.state.log.unconfirmed_since is not None and not _has_due(turn):
        turn.set_log(unconfirmed_since=None)
    for plan in turn.plan.stages:
        due = _deadline(turn.state, turn.plan, plan.name)
        if due is None or due > turn.now:
            continue
        heard = turn.state.log.heard_until
        if not turn.plan.replay and (heard is None or heard < due):
            _ask_to_confirm(turn, due)
        elif rests_by_quiet(turn.state, turn.plan, plan.name):
            conclude_quiet(turn, plan.name)
        else:
            _give_up_waiting(turn, plan.name)


def is_heard_up_to_now(turn: Turn) -> bool:
    """True where the log was heard to its end just now; else that is found out first, and the request waits for it.

    A stream that lags behind, or lines that waited for a slow disk, may have hidden that the container is gone: the
    request would reach the next one, which nobody listens to yet.
    """
    log = turn.state.log
    if log.heard_until is None:
        return False
    if log.heard_until >= (turn.now - FRESH if log.wished_at is None else min(log.wished_at, turn.now - FRESH)):
        withdraw_wish(turn)
        return True
    if log.wished_at is None:
        turn.set_log(wished_at=turn.now)
        _confirm(turn)
    return False


def withdraw_wish(turn: Turn) -> None:
    """Nothing waits to be asked for any more; while the run holds because it hears nothing, the wish stands."""
    hold = turn.state.hold
    if turn.state.log.wished_at is not None and not (hold is not None and hold.kind is HoldKind.BLIND):
        turn.set_log(wished_at=None)


def next_deadline(state: State, plan: Plan) -> datetime | None:
    """When ``step`` must be called next although nothing happened; None: never."""
    times: list[datetime] = [
        delivery.next_at
        for message in state.outbox.messages
        for delivery in message.deliveries.values()
        if not delivery.sending
    ]
    if state.hold is not None and state.status is RunStatus.HELD:
        times.append(state.hold.told_at + TELL_AGAIN)
    if state.status not in ENDED_RUN:
        times.extend(stage.not_before for stage in state.stages if stage.not_before is not None)
        if state.hold is None and not plan.replay:
            times.extend(until for until, _ in _deafness(state, plan))
        if state.log.blind_since is None:
            times.extend(_silence_times(state, plan))
            if state.log.wished_at is not None and state.log.confirm_asked_at is not None:
                times.append(state.log.confirm_asked_at + _ask_again(plan))
    return min(times, default=None)


def _has_due(turn: Turn) -> bool:
    dues = [_deadline(turn.state, turn.plan, stage.name) for stage in turn.plan.stages]
    return any(due is not None and due <= turn.now for due in dues)


def _silence_times(state: State, plan: Plan) -> list[datetime]:
    times: list[datetime] = []
    asked, heard = state.log.confirm_asked_at, state.log.heard_until
    for stage in plan.stages:
        due = _deadline(state, plan, stage.name)
        if due is None:
            continue
        if not plan.replay and asked is not None and asked >= due and (heard is None or heard < due):
            due = asked + _ask_again(plan)
        times.append(due)
    return times


def _deadline(state: State, plan: Plan, name: str) -> datetime | None:
    """When the silence of this stage's open request has lasted as long as it may."""
    stage, rules = state.stage(name), plan.stage(name)
    held = stage.open
    if held is None or stage.status is not StageStatus.RUNNING or not stage.unsettled():
        return None
    if held.answer is Answer.AWAITED:
        return None  # the request is on its way; its own time-out ends the waiting
    if rests_by_quiet(state, plan, name):
        return held.silent_since + rules.patience.quiet
    if plan.replay:
        return None  # a recorded log can be quiet, but nobody waits for it
    return held.silent_since + (rules.patience.day if held.active or held.again else rules.patience.start)


def _ask_again(plan: Plan) -> timedelta:
    shortest = min(min(stage.patience.start, stage.patience.day, stage.patience.quiet) for stage in plan.stages)
    return max(SECOND / 2, min(SECOND * 30, shortest / 2))


def _ask_to_confirm(turn: Turn, due: datetime) -> None:
    asked = turn.state.log.confirm_asked_at
    if asked is None or asked < due or _may_ask_again(turn):
        _confirm(turn)


def _may_ask_again(turn: Turn) -> bool:
    asked = turn.state.log.confirm_asked_at
    return asked is None or asked + _ask_again(turn.plan) <= turn.now


def _confirm(turn: Turn) -> None:
    turn.set_log(confirm_asked_at=turn.now, unconfirmed_since=turn.state.log.unconfirmed_since or turn.now)
    turn.commands.append(Confirm())


def _give_up_waiting(turn: Turn, name: str) -> None:
    """The patience is over: the request never arrived and is void, or its days are unclear and the run holds."""
    stage = turn.stage(name)
    held = stage.open
    if held is None:
        return
    if _never_arrived(turn, name, held):
        turn.record("request", f"request {held.request} never arrived: no start line on a gapless log", name)
        for day in stage.unsettled():
            turn.move_day(name, day, DayStatus.PENDING, "its request never arrived")
        turn.set_stage(name, open=None)
        return
    reason = _why_unclear(turn, held)
    days = stage.unsettled()
    for day in days:
        lacking = f"; {missing(turn, name, day)}" if stage.days[day].status in UNSETTLED and held.active else ""
        turn.move_day(name, day, DayStatus.UNCLEAR, f"{reason}{lacking}")
    lacks = sorted({missing(turn, name, day) for day in days}) if held.active else []
    text = f"{name} {spell(days)}: {'; '.join([reason, *lacks])}"
    if turn.hold(HoldKind.SILENCE, text, name):
        turn.tell(("unclear", "held"), "warning", f"{name}: {len(days)} day(s) unclear, the run holds", text)


def _never_arrived(turn: Turn, name: str, held: Open) -> bool:
    speaks = turn.state.log.info_lines > held.info_lines
    heard = held.active or held.early or held.unstarted or held.again
    silent = not heard and held.gapless and speaks
    return silent and held.answer is Answer.UNCLEAR and turn.rules(name).rules.prints_start


def _why_unclear(turn: Turn, held: Open) -> str:
    since = _clock(held.silent_since)
    if held.unstarted and not held.started:
        reason = f"{held.unstarted} line(s) of this stage and no start line since {since}: nobody knows whose they are"
    else:
        reason = (
            f"no line of this stage since {since}" if held.active else f"no line at all of this stage since {since}"
        )
    if held.answer is Answer.UNCLEAR and held.note:
        reason += f", and it is not known whether the request arrived ({held.note})"
    if not held.gapless:
        reason += "; a part of the log is missing, the lines may have been in it"
    if held.trouble:
        reason += f"; {'the pipeline' if held.failing else 'the log'} says: {held.trouble}"
    if held.early:
        reason += (
            f"; {held.early} line(s) of it were stamped before the request and do not count:"
            " is the node's clock behind ours?"
        )
    elif turn.state.log.info_lines <= held.info_lines:
        reason += "; no INF line of any kind came either: is the log level of Kubecost above info?"
    return reason


def _hold_while_deaf(turn: Turn) -> None:
    """Hold while the log, or the container, cannot be reached for too long; go on by itself when it can again."""
    state = turn.state
    if turn.plan.replay or state.status in ENDED_RUN:
        return
    overdue = [text for until, text in _deafness(state, turn.plan) if until <= turn.now]
    if state.hold is not None:
        if state.hold.kind is HoldKind.BLIND and not overdue:
            turn.release("the log is heard again, and the container is ready where it is needed")
    elif overdue and turn.hold(HoldKind.BLIND, overdue[0]):
        turn.tell(("held",), "warning", "the log cannot be followed, the run holds", overdue[0])


def _deafness(state: State, plan: Plan) -> list[tuple[datetime, str]]:
    """What keeps us from hearing or asking, and until when that is accepted in silence."""
    log, found = state.log, []
    if log.blind_since is not None:
        cause = log.blind_cause or "no stream is open"
        found.append((log.blind_since + plan.blind, f"no log since {_clock(log.blind_since)}: {cause}"))
    elif log.unconfirmed_since is not None:
        text = f"since {_clock(log.unconfirmed_since)} it cannot be found out whether the log was heard to its end"
        found.append((log.unconfirmed_since + plan.blind, text))
    if log.unready_since is not None and _waits_to_ask(state):
        patience = max([plan.blind, *(stage.patience.day for stage in plan.stages)])
        found.append(
            (log.unready_since + patience, f"the container takes no requests since {_clock(log.unready_since)}")
        )
    return found


def _waits_to_ask(state: State) -> bool:
    going = state.status in {RunStatus.PENDING, RunStatus.RUNNING} or (
        state.hold is not None and state.hold.kind is HoldKind.BLIND
    )
    return going and state.paused is None and not any(stage.unsettled() for stage in state.stages)


def _clock(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}Z"
