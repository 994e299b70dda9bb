"""What a log line proves, once it counts (``counting``). The rules of truth, and nothing else.

Order is the order of arrival; facts seen twice change nothing.
"""

from __future__ import annotations

from datetime import timedelta

from watcher.core import abandoned
from watcher.core.counting import HOURLY, counts, days_of, is_of_request, note_unstarted
from watcher.core.events import Epoch, Fact, Meaning
from watcher.core.judging import LIVE_DAYS, covers, finish, has_hours, is_abandoned, judge, missing
from watcher.core.moves import ENDED_RUN, DayStatus, RunStatus, StageStatus
from watcher.core.plan import Evidence
from watcher.core.state import Day, HoldKind, Open
from watcher.core.turn import Turn
from watcher.core.window import Window, midnight


def learn(turn: Turn, fact: Fact, epoch: Epoch | None) -> None:
    """Apply one fact to the days that it speaks of. What comes after the end of a finished run changes nothing."""
    if turn.state.status is RunStatus.DONE:
        return
    _learn_provider(turn, fact)
    if fact.meaning is Meaning.TROUBLE:
        _learn_trouble(turn, fact, epoch)
        return
    if fact.stage is None or not turn.state.has(fact.stage) or fact.window is None:
        return
    name = fact.stage
    held = turn.stage(name).open
    if held is None:
        return
    if not counts(turn, name, held, fact, epoch):
        note_unstarted(turn, name, held, fact, epoch)
        return
    _note_activity(turn, name, fact)
    match fact.meaning:
        case Meaning.REPAIR_STARTED:
            pass  # orchestrator: own or foreign
        case Meaning.COVERAGE_REFUSED | Meaning.WINDOW_FAILED:
            _learn_failure(turn, name, held, fact)
        case Meaning.DAY_STARTED:
            _learn_day_started(turn, name, fact)
        case Meaning.ACTIVITY | Meaning.WINDOW_DONE | Meaning.REPAIR_ENDED:
            _learn_progress(turn, name, fact)
        case _:
            pass


def reopen_for_providers(turn: Turn) -> None:
    """A provider appeared: stages that looked complete without it are not.

    Where the container that worked on their days lives, a line of the provider is waited for; where it died, it can
    never come, and the days are asked for anew.
    """
    if turn.state.status in ENDED_RUN:
        return
    for plan in turn.plan.stages:
        stage = turn.stage(plan.name)
        if not plan.rules.per_provider:
            continue
        lacking = [
            day
            for day, known in stage.days.items()
            if known.status is DayStatus.DONE and not covers(turn, plan.name, known.covered | known.proven)
        ]
        if not lacking:
            continue
        alive = stage.open is not None and (turn.plan.replay or stage.open.epoch == turn.state.log.epoch)
        for day in lacking:
            status = DayStatus.RUNNING if alive else DayStatus.PENDING
            turn.move_day(plan.name, day, status, missing(turn, plan.name, day), inferred=False)
        if stage.status is StageStatus.DONE:
            turn.move_stage(plan.name, StageStatus.RUNNING, "a new provider appeared", finished_at=None)
        # The days may lie in chunks that are already behind us: listen for all of them.
        turn.set_open(plan.name, widened=turn.plan.window, silent_since=turn.now)


def _note_activity(turn: Turn, name: str, fact: Fact) -> None:
    """The pipeline is alive: silence begins anew. While we catch up, the line's own stamp says when it was."""
    heard = turn.now
    if turn.state.log.blind_since is not None and fact.at is not None:
        heard = min(fact.at, turn.now)
    held = turn.stage(name).open
    if held is not None:
        turn.set_open(name, active=True, silent_since=max(held.silent_since, heard))
    if turn.state.hold is not None and turn.state.hold.kind is HoldKind.SILENCE and turn.state.hold.stage == name:
        for day, known in turn.stage(name).days.items():
            if known.status is DayStatus.UNCLEAR:
                turn.move_day(name, day, DayStatus.RUNNING, "heard again")
        turn.release("the log speaks of the stage again")


def _learn_provider(turn: Turn, fact: Fact) -> None:
    if fact.provider is None or fact.provider in turn.state.providers:
        return
    if turn.state.has(fact.stage) and fact.stage is not None and turn.rules(fact.stage).rules.per_provider:
        turn.set(providers=turn.state.providers | {fact.provider})
        reopen_for_providers(turn)


# ---- what they prove ------------------------------------------------------------------------------------------------


def _learn_trouble(turn: Turn, fact: Fact, epoch: Epoch | None) -> None:
    """An error that names no day. After one of the stage's own pipeline its quiet proves nothing; others are hints."""
    for stage in turn.state.stages:
        held = stage.open
        if held is None or fact.stage not in (None, stage.name) or not stage.unsettled():
            continue
        if turn.plan.replay or is_of_request(held, held.epoch, fact, epoch):
            own = fact.stage is not None
            told = f"{fact.line}. {fact.advice}" if fact.advice else fact.line
            if own or not held.failing:
                turn.set_open(stage.name, trouble=told, failing=held.failing or own)


def _learn_failure(turn: Turn, name: str, held: Open, fact: Fact) -> None:
    """A refusal or failure of the hourly store is noted; of the daily one, inside the request, it fails its days."""
    if fact.resolution == HOURLY:
        if fact.meaning is Meaning.COVERAGE_REFUSED:
            turn.set_open(name, hourly_refused=True)
            for day in [*turn.stage(name).unsettled(), *held.abandoned]:
                if turn.stage(name).days[day].proven:
                    judge(turn, name, day)
        turn.record("note", "the hourly store does not hold this window", name, evidence=fact.line)
        return
    window = fact.window
    if window is None or (fact.resolution is not None and not held.heard.contains(window)):
        turn.record("note", "a failure outside the open request", name, evidence=fact.line)
        return
    reason = "the store refused it: outside its coverage" if fact.coverage else "the pipeline failed on it"
    reason = f"{reason}. {fact.advice}" if fact.advice else reason
    if not turn.rules(name).rules.per_provider:  # else it may still be at work for another one
        abandoned.is_over(turn, name, days_of(turn, name, fact))
    for day in days_of(turn, name, fact):
        known = turn.stage(name).days[day]
        if known.status in LIVE_DAYS or (known.status is DayStatus.DONE and known.inferred):
            at = turn.stamp(fact.at)
            turn.move_day(name, day, DayStatus.FAILED, reason, evidence=fact.line, at=at, inferred=False)


def _learn_day_started(turn: Turn, name: str, fact: Fact) -> None:
    """Work began on the days of the fact; the day before them, if it was begun, is thereby over (concluded).

    Of a pipeline that works for several providers at once, the next start says nothing about the others.
    """
    key = frozenset({fact.provider or ""})
    days = days_of(turn, name, fact)
    begun = [day for day in days if not key <= turn.stage(name).days[day].covered]
    for day in begun:
        known = turn.stage(name).days[day]
        if known.status in LIVE_DAYS:
            turn.move_day(name, day, DayStatus.RUNNING, None, evidence=fact.line, at=turn.stamp(fact.at))
            turn.set_day(name, day, covered=known.covered | key)
    plan = turn.rules(name)
    if not begun or plan.rules.least > Evidence.NEXT_STARTED or plan.rules.per_provider:
        return
    before = days[0] - timedelta(days=1)
    known = turn.stage(name).days.get(before, Day())
    if known.status in LIVE_DAYS and known.covered and has_hours(plan, turn.stage(name).open, known):
        turn.set_day(name, before, evidence=fact.line, at=turn.stamp(fact.at))
        finish(turn, name, before, inferred=True, reason="the next day was started")


def _learn_progress(turn: Turn, name: str, fact: Fact) -> None:
    """Activity covers days; a written set or the pipeline's end line proves them."""
    if fact.resolution == HOURLY:
        _learn_hour(turn, name, fact)
        return
    key = frozenset({fact.provider or ""})
    proves = fact.meaning is Meaning.REPAIR_ENDED or turn.rules(name).rules.least is not Evidence.REPAIR_ENDED
    for day in days_of(turn, name, fact):
        known = turn.stage(name).days[day]
        at = turn.stamp(fact.at)
        if is_abandoned(turn, name, day):
            if proves and fact.meaning is not Meaning.ACTIVITY:
                turn.set_day(name, day, proven=known.proven | key)
                judge(turn, name, day)
            continue
        if fact.meaning is Meaning.ACTIVITY:
            if known.status in LIVE_DAYS:
                turn.move_day(name, day, DayStatus.RUNNING, known.reason, evidence=fact.line, at=at)
                turn.set_day(name, day, covered=known.covered | key)
            continue
        if known.status not in LIVE_DAYS and not (known.status is DayStatus.DONE and _is_news(known, fact)):
            continue
        rows = {"rows_in": fact.rows_in, "rows_out": fact.rows_out} if fact.rows_out is not None else {}
        seconds = {"seconds": fact.seconds} if fact.seconds is not None else {}
        turn.set_day(
            name,
            day,
            proven=known.proven | key if proves else known.proven,
            covered=known.covered | key,
            evidence=fact.line,
            at=at,
            **rows,
            **seconds,
        )
        past = turn.plan.replay or midnight(day) + timedelta(days=1) <= turn.now
        if fact.rows_out == 0 and (past or fact.rows_in in (None, 0)):
            reason = "the store of this day was written empty: it may have been wiped"
            reason = f"{reason}. {fact.advice}" if fact.advice else reason
            turn.move_day(name, day, DayStatus.EMPTY, reason, inferred=False)
        else:
            judge(turn, name, day)


def _is_news(known: Day, fact: Fact) -> bool:
    """A done day still learns: a line turns a conclusion into knowledge, and an emptied store is never ignored."""
    return known.inferred or fact.rows_out == 0


def _learn_hour(turn: Turn, name: str, fact: Fact) -> None:
    window, held = fact.window, turn.stage(name).open
    if window is None or held is None or not window.is_one_hour() or not held.heard.contains(window):
        return
    if fact.meaning is not Meaning.WINDOW_DONE or window.start.date() not in turn.stage(name).days:
        return
    day = window.start.date()
    known = turn.stage(name).days[day]
    turn.set_day(name, day, hours=known.hours | 1 << window.start.hour)
    if known.proven and (known.status in LIVE_DAYS or is_abandoned(turn, name, day)):
        judge(turn, name, day)


def whole_window(window: Window, inside: Window) -> Window:
    """The part of ``window`` that lies inside ``inside``, cut to whole days; an empty window where there is none."""
    start, end = max(window.start, inside.start), min(window.end, inside.end)
    days = list(Window(start, max(start, end)).days())
    return Window.of_days(days[0], days[-1]) if days else Window(start, start)
