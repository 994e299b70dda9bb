"""``step``: what happened goes in, the new state and what shall be done come out. The only way anything changes.

One turn is: learn what the event means (``_learn``), then look at the whole and decide (``_decide``). Same inputs, same
outputs; the clock, the disk and the network are the shell's.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from watcher.core import lost, operator, outbox, replaying, requests
from watcher.core.commands import Command
from watcher.core.completion import learn
from watcher.core.counting import HOURLY, is_of_request, note_early
from watcher.core.events import (
    Attached,
    Booted,
    CaughtUp,
    DeadlineReached,
    Epoch,
    EpochChanged,
    Event,
    Fact,
    GapFound,
    LogRead,
    Meaning,
    NotificationFailed,
    NotificationSent,
    OperatorAsked,
    RequestAccepted,
    RequestNotSent,
    RequestRefused,
    RequestUnclear,
    RequestWithheld,
    StreamLost,
    TargetReady,
)
from watcher.core.judging import LIVE_DAYS
from watcher.core.moves import DayStatus, RunStatus
from watcher.core.plan import Plan
from watcher.core.silence import TELL_AGAIN, listen
from watcher.core.state import Answer, HoldKind, Open, Stage, State
from watcher.core.turn import Turn
from watcher.core.window import Window

KEPT_GAPS = 100


def step(
    state: State, event: Event, now: datetime, plan: Plan, *, more: bool = False
) -> tuple[State, tuple[Command, ...]]:
    """The state after ``event`` at ``now`` (aware, UTC), and the commands that follow from it, in order.

    ``more``: other events have happened already and come next. Then nothing is asked for yet: they may tell that the
    container is gone that would be asked.

    The caller saves the state before it carries out a command. Never raises for anything that a log, a cluster or a
    person can do; moves that are not allowed become ``Record(kind="illegal")`` and change nothing.
    """
    turn = Turn(state, now, plan, more=more)
    _learn(turn, event)
    _decide(turn)
    return turn.state, tuple(turn.commands)


def _decide(turn: Turn) -> None:
    requests.advance(turn)
    listen(turn)
    requests.advance(turn)  # silence may have settled a stage, or freed the way for a request
    _tell_again(turn)
    outbox.dispatch(turn)


def _learn(turn: Turn, event: Event) -> None:
    match event:
        case LogRead():
            _read(turn, event)
        case Booted() | Attached() | CaughtUp() | StreamLost() | GapFound() | EpochChanged() | TargetReady():
            _learn_stream(turn, event)
        case RequestAccepted(request, text):
            requests.answer(turn, request, Answer.ACCEPTED, text)
        case RequestUnclear(request, reason):
            requests.answer(turn, request, Answer.UNCLEAR, reason)
        case RequestRefused(request, reason):
            requests.refuse(turn, request, reason)
        case RequestNotSent(request, reason):
            requests.try_later(turn, request, reason)
        case RequestWithheld(request, reason):
            requests.withhold(turn, request, reason)
        case NotificationSent(message, destination):
            outbox.delivered(turn, message, destination)
        case NotificationFailed(message, destination, reason):
            outbox.failed(turn, message, destination, reason)
        case OperatorAsked():
            operator.steer(turn, event)
        case DeadlineReached():
            pass
        case _:
            assert_never(event)


# ---- the log --------------------------------------------------------------------------------------------------------


def _read(turn: Turn, read: LogRead) -> None:
    log = turn.state.log
    stamps = [at for at in (log.last_line_at, read.last_line_at) if at is not None]
    turn.set_log(
        lines=log.lines + read.lines,
        matched=log.matched + read.matched,
        near_missed=log.near_missed + read.near_missed,
        info_lines=log.info_lines + read.info_lines,
        last_line_at=max(stamps, default=None),
    )
    for stage in turn.state.stages:
        if stage.open is not None and read.last_line_at is not None and read.last_line_at < stage.open.requested_at:
            # Lines from before the request say nothing about the log level since.
            turn.set_open(stage.name, info_lines=stage.open.info_lines + read.info_lines)
    for fact in read.facts:
        if fact.meaning is Meaning.PROCESS_STARTED and read.epoch is None:
            requests.void(turn, "the process that writes this log began anew", fact.at)
        elif turn.plan.replay:
            replaying.open_stage(turn, fact)
            learn(turn, fact, read.epoch)
        else:
            note_early(turn, fact, read.epoch)
            if fact.meaning is Meaning.REPAIR_STARTED:
                _learn_start(turn, fact, read.epoch)
            else:
                learn(turn, fact, read.epoch)


def _learn_start(turn: Turn, fact: Fact, epoch: Epoch | None) -> None:
    """A start line is ours, a repeat of ours, or proof that somebody else repairs while we do."""
    if fact.stage is None or fact.window is None or fact.resolution == HOURLY:
        return
    lost.adopt(turn, fact, epoch)
    active = next((stage for stage in turn.state.stages if _is_at_work(stage)), None)
    if active is None or active.open is None or not is_of_request(active.open, active.open.epoch, fact, epoch):
        return
    held = active.open
    mark = (fact.id, fact.window)
    known = turn.state.has(fact.stage) and mark in turn.stage(fact.stage).starts
    if known and (fact.id is not None or held.started):
        return
    if fact.stage == active.name and not held.started and _is_asked(turn, active.name, held, fact.window):
        turn.set_stage(active.name, starts=(*active.starts, mark))
        turn.set_open(active.name, started=True)
        learn(turn, fact, epoch)
        return
    reason = (
        f"a repair of {fact.stage} {fact.window} was started by somebody else while {active.name} is open: "
        f"wait until it is over, then end this hold ('watcher approve')"
    )
    turn.record("note", reason, active.name, evidence=fact.line)
    if turn.hold(HoldKind.DECISION, reason, active.name):
        turn.tell(("held",), "failure", "somebody else repairs too, the run holds", f"{reason}\n{fact.line}")


def _is_at_work(stage: Stage) -> bool:
    """True while a request of this stage may still be at work; after too long a silence too."""
    return stage.open is not None and any(known.status in LIVE_DAYS for known in stage.days.values())


def _is_asked(turn: Turn, name: str, held: Open, window: Window) -> bool:
    """True for the window that was asked for; where the pipeline widens, for one that holds it."""
    return window == held.window or (turn.rules(name).rules.widens and window.contains(held.window))


# ---- the stream of the log ------------------------------------------------------------------------------------------


def _learn_stream(
    turn: Turn, event: Booted | Attached | CaughtUp | StreamLost | GapFound | EpochChanged | TargetReady
) -> None:
    log = turn.state.log
    match event:
        case Booted():
            _boot(turn)
        case Attached(epoch, target):
            again = 1 if log.attachments and not log.connected else 0
            turn.set_log(connected=True, target=target, attachments=log.attachments + 1)
            if epoch is None:
                turn.set_log(ready=True, unready_since=None)
            turn.set_log(reconnects=log.reconnects + again, epoch=log.epoch or epoch)
        case CaughtUp(upto):
            heard = upto if log.heard_until is None else max(upto, log.heard_until)
            turn.set_log(heard_until=heard)
            if log.connected:  # else it speaks of a stream that was lost since
                turn.set_log(blind_since=None, blind_cause=None)
            if log.unconfirmed_since is not None and heard >= log.unconfirmed_since:
                turn.set_log(unconfirmed_since=None)
        case StreamLost(cause):
            turn.set_log(connected=False, blind_since=log.blind_since or turn.now, blind_cause=cause)
            turn.set_log(unconfirmed_since=None)
            turn.record("stream", f"stream lost: {cause}")
        case GapFound(gap):
            turn.set_log(gaps=(*log.gaps, gap)[-KEPT_GAPS:])
            turn.record("stream", f"gap: {gap}")
            for stage in turn.state.stages:
                if stage.open is not None:
                    turn.set_open(stage.name, gapless=False, silent_since=turn.now)
                if stage.lost is not None:
                    turn.set_stage(stage.name, lost=replace(stage.lost, gapless=False))
        case EpochChanged(epoch, cause):
            _begin_epoch(turn, epoch, cause)
        case TargetReady(epoch):
            if epoch is not None and epoch != log.epoch:
                _begin_epoch(turn, epoch, "another container is ready")
            turn.set_log(ready=True, unready_since=None)
        case _:
            assert_never(event)


def _boot(turn: Turn) -> None:
    """We were dead until now: what was on its way is unknown, and the log must be caught up with first."""
    turn.set_log(connected=False, blind_since=turn.now, blind_cause="the log was not read yet", confirm_asked_at=None)
    turn.set_log(ready=False, unready_since=turn.now, unconfirmed_since=None)
    outbox.forget_what_was_on_its_way(turn)
    for stage in turn.state.stages:
        if stage.open is not None and stage.open.answer is Answer.AWAITED:
            note = "the daemon stopped before the answer"
            turn.set_open(stage.name, answer=Answer.UNCLEAR, note=note)
        if stage.lost is not None and stage.lost.answer is Answer.AWAITED:
            lost.answered(turn, stage.lost.request, Answer.UNCLEAR, "the daemon stopped before the answer")
    hold = turn.state.hold
    if hold is not None and hold.kind is not HoldKind.DECISION:
        for stage in turn.state.stages:
            _wait_again(turn, stage)
        turn.release("the daemon began anew and waits once more")


def _wait_again(turn: Turn, stage: Stage) -> None:
    days = [day for day, known in stage.days.items() if known.status is DayStatus.UNCLEAR]
    for day in days:
        turn.move_day(stage.name, day, DayStatus.RUNNING, f"waiting again: {stage.days[day].reason}")
    if days:
        turn.set_open(stage.name, again=True, silent_since=turn.now)


def _begin_epoch(turn: Turn, epoch: Epoch, cause: str) -> None:
    if epoch == turn.state.log.epoch:
        return
    turn.record("stream", f"new epoch {epoch}: {cause}")
    first = turn.state.log.epoch is None
    blind = turn.state.log.blind_since or turn.now
    turn.set_log(epoch=epoch, ready=False, blind_since=blind, blind_cause=f"a new container began: {cause}")
    turn.set_log(unready_since=turn.now, unconfirmed_since=None)
    if not first:
        requests.void(turn, cause)


def _tell_again(turn: Turn) -> None:
    """A hold that nobody ended is told again."""
    hold = turn.state.hold
    if hold is None or turn.state.status is not RunStatus.HELD or turn.now < hold.told_at + TELL_AGAIN:
        return
    turn.set(hold=replace(hold, told_at=turn.now))
    since = f"{hold.since:%Y-%m-%d %H:%M}Z"
    turn.tell(("held",), "warning", f"{hold.stage or 'the run'}: still held since {since}", hold.reason)
