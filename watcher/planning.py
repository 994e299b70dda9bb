"""What a plan comes down to: the requests that it would send, and the plan of a replay."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from watcher.core.commands import Request
from watcher.core.plan import Patience, Plan, StagePlan
from watcher.core.window import Window
from watcher.profile import Profile

DEFAULT_QUIET = timedelta(minutes=5)


def planned_requests(plan: Plan) -> Iterator[Request]:
    """Every request of a run in which nothing goes wrong, in order, numbered from 1."""
    number = 0
    for stage in plan.stages:
        days = list(plan.window.days())
        size = stage.chunk_days or len(days)
        for first in range(0, len(days), size):
            number += 1
            chunk = days[first : first + size]
            yield Request(number, stage.name, Window.of_days(chunk[0], chunk[-1]), attempt=1)


def replay_plan(profile: Profile, window: Window, name: str) -> Plan:
    """The plan for a recorded log: every stage of the profile, nothing to ask for, nobody to tell."""
    stages = tuple(
        StagePlan(stage.rules, Patience(quiet=stage.rules.quiet or DEFAULT_QUIET)) for stage in profile.stages
    )
    return Plan(name, profile.name, window, stages, replay=True)
