"""A recorded log: whose requests they were is unknown, so stages open by what the log says, in whatever order."""

from __future__ import annotations

from watcher.core.completion import whole_window
from watcher.core.counting import HOURLY
from watcher.core.events import Fact, Meaning, Subject
from watcher.core.moves import ENDED_RUN, DayStatus, RunStatus, StageStatus
from watcher.core.plan import Plan
from watcher.core.state import Answer, Open, State
from watcher.core.turn import Turn
from watcher.core.window import Window

_OPENING = frozenset(
    {Meaning.ACTIVITY, Meaning.WINDOW_DONE, Meaning.REPAIR_ENDED, Meaning.WINDOW_FAILED, Meaning.COVERAGE_REFUSED}
)


def may_change(state: State, plan: Plan, subject: Subject) -> bool:
    """False where such a fact of a recorded log changes nothing but counts: then no step need be made for it.

    Most lines of a log speak of days or pipelines that nobody asked about. When in doubt the answer is True.
    """
    meaning, name, window, provider = subject
    if meaning is Meaning.PROCESS_STARTED:
        return True
    for stage in state.stages:  # it is asked for every line that matches: ``state.has`` and ``state.stage`` cost twice
        if stage.name == name:
            break
    else:
        return False
    rules = plan.stage(stage.name).rules
    if rules.per_provider and provider is not None and provider not in state.providers:
        return True
    if window is None:
        return False
    if meaning is Meaning.REPAIR_STARTED:
        return True
    if stage.open is not None:
        return stage.open.heard.meets(window)
    return meaning in _OPENING and not rules.prints_start and whole_window(window, plan.window).is_whole_days()


def open_stage(turn: Turn, fact: Fact) -> None:
    """Open the fact's stage if this fact is one that opens it: its start line, or its first fact where it has none."""
    if fact.stage is None or fact.window is None or fact.resolution == HOURLY or not turn.state.has(fact.stage):
        return
    window = whole_window(fact.window, turn.plan.window)
    stage, prints_start = turn.stage(fact.stage), turn.rules(fact.stage).rules.prints_start
    if fact.meaning is Meaning.REPAIR_STARTED:
        if window.is_whole_days() and (fact.id, fact.window) not in stage.starts:
            turn.set_stage(fact.stage, starts=(*stage.starts, (fact.id, fact.window)))
            _begin(turn, fact, window)
    elif fact.meaning in _OPENING and not prints_start and stage.open is None and window.is_whole_days():
        _begin(turn, fact, turn.plan.window)


def _begin(turn: Turn, fact: Fact, window: Window) -> None:
    name = fact.stage or ""
    stage = turn.stage(name)
    if turn.state.status in ENDED_RUN and turn.state.status is not RunStatus.FAILED:
        return
    for day in window.days():
        known = stage.days[day]
        if known.status is DayStatus.DONE:
            continue
        if known.status not in {DayStatus.REQUESTED, DayStatus.PENDING}:
            turn.move_day(name, day, DayStatus.PENDING, "repaired again")
        turn.move_day(name, day, DayStatus.REQUESTED, None, attempts=known.attempts + 1)
        turn.set_day(name, day, covered=frozenset(), proven=frozenset(), hours=0)
    since = fact.at or turn.now
    held = Open(stage.requests + 1, window, None, since, since, Answer.ACCEPTED, started=True)
    turn.set_stage(name, open=held, requests=stage.requests + 1)
    if stage.status is not StageStatus.DONE:
        turn.move_stage(name, StageStatus.RUNNING, None, started_at=stage.started_at or fact.at)
    turn.set(hold=None, started_at=turn.state.started_at or fact.at)
    turn.move_run(RunStatus.RUNNING)
