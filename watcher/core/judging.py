"""Whether what is known of a day suffices to call it done, and what it lacks.

A day is done by the weakest evidence that the profile accepts, or a stronger one. What no line said but was concluded
is marked ``inferred``.
"""

from __future__ import annotations

from datetime import date

from watcher.core import abandoned
from watcher.core.moves import DayStatus
from watcher.core.plan import Evidence, Plan, StagePlan
from watcher.core.state import Day, Open, State
from watcher.core.turn import Turn, known_providers

ALL_HOURS = (1 << 24) - 1
LIVE_DAYS = frozenset({DayStatus.REQUESTED, DayStatus.RUNNING, DayStatus.UNCLEAR})


def judge(turn: Turn, name: str, day: date) -> None:
    """Move the day to done if what is known of it now suffices; else say what is missing. Done it stays.

    An abandoned day stays skipped; what suffices says that Kubecost is at work on it no more.
    """
    stage = turn.stage(name)
    known = stage.days[day]
    suffices = known.proven and covers(turn, name, known.proven) and has_hours(turn.rules(name), stage.open, known)
    if is_abandoned(turn, name, day):
        abandoned.is_over(turn, name, [day] if suffices else [])
    elif suffices:
        finish(turn, name, day, inferred=False)
    elif known.status is not DayStatus.DONE:
        turn.move_day(name, day, DayStatus.RUNNING, missing(turn, name, day), inferred=False)


def is_abandoned(turn: Turn, name: str, day: date) -> bool:
    """True for a skipped day on which Kubecost may still be at work."""
    held = turn.stage(name).open
    return held is not None and day in held.abandoned


def has_hours(plan: StagePlan, held: Open | None, known: Day) -> bool:
    """True unless the stage waits for hourly sets that this day still lacks."""
    waits = plan.wait_hourly and plan.rules.hourly and not (held is not None and held.hourly_refused)
    return not waits or known.hours == ALL_HOURS


def finish(turn: Turn, name: str, day: date, *, inferred: bool, reason: str | None = None) -> None:
    """Call the day done; ``inferred`` where no line said so."""
    turn.move_day(name, day, DayStatus.DONE, reason, inferred=inferred)


def covers(turn: Turn, name: str, keys: frozenset[str]) -> bool:
    """True where these are all the providers that the stage is known to work for, and at least one key."""
    return _suffices(turn.providers(name), keys)


def _suffices(known: frozenset[str], seen: frozenset[str]) -> bool:
    return bool(seen) and known <= seen


def conclude_quiet(turn: Turn, name: str) -> None:
    """Every day of the open request that its lines covered is concluded done: quiet has lasted long enough."""
    for day in turn.stage(name).unsettled():
        finish(turn, name, day, inferred=True)


def rests_by_quiet(state: State, plan: Plan, name: str) -> bool:
    """True when quiet may end the open request: allowed by the profile, and every day covered by every provider.

    Not where a stretch of the log is missing since the request: a failure may have been told in it.
    """
    stage, rules = state.stage(name), plan.stage(name)
    days = stage.unsettled()
    held = stage.open
    if rules.rules.least is not Evidence.QUIET or not days or held is None or held.failing or not held.gapless:
        return False
    keys = known_providers(state, plan, name)
    return all(
        _suffices(keys, stage.days[day].covered | stage.days[day].proven) and has_hours(rules, held, stage.days[day])
        for day in days
    )


def missing(turn: Turn, name: str, day: date) -> str:
    """What the day still lacks, in words."""
    stage, plan = turn.stage(name), turn.rules(name)
    seen = stage.days[day].covered | stage.days[day].proven
    lacking = sorted(turn.providers(name) - (seen if plan.rules.least is Evidence.QUIET else stage.days[day].proven))
    if lacking:
        return f"no line yet from provider {', '.join(lacking)}"
    if stage.days[day].proven and not has_hours(plan, stage.open, stage.days[day]):
        return f"daily set done; {stage.days[day].hours.bit_count()} of 24 hourly sets seen"
    return "no line says that it is done"
