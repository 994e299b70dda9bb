"""What kind of run a seed stands for: the Kubecost, its troubles, the plan, the patience."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Final

from watcher.cluster import Rhythm
from watcher.core.plan import Destination, Patience, Plan, StagePlan
from watcher.core.window import Window
from watcher.profile import Profile, load_profile
from watcher.simulator.dialects import DIALECTS, Dialect
from watcher.simulator.envelopes import Envelope
from watcher.simulator.pace import Pace
from watcher.simulator.scenarios import AWS, AZURE, Noise, Scenario
from watcher.simulator.troubles import (
    EVER,
    Denied,
    Dies,
    Emptied,
    Foreign,
    Late,
    Refused,
    Replaced,
    Rereads,
    Silent,
    Slow,
    Stalled,
    Trouble,
)

FIRST_DAY: Final = date(2023, 1, 1)
EVENTS: Final = frozenset({"run_started", "stage_done", "run_done", "failed", "held", "unclear", "restarted"})
WORKING: Final = ("asset", "allocation", "reconciliation")  # they work day by day
STORES: Final = ("asset", "allocation")
QUIET: Final = 60.0  # seconds; all else is in proportion

PATIENCE: Final = Patience(timedelta(seconds=120), timedelta(seconds=300), timedelta(seconds=QUIET))
BLIND: Final = timedelta(seconds=180)
PACE: Final = Pace(
    unit=QUIET,
    accept=2.0,
    day=15.0,
    cloud=0.7 * QUIET,
    lag=0.6 * QUIET,
    dying=1.0,
    restart=8.0,
    startup=3.0,
    ready=6.0,
    background=40.0,
)


@dataclass(frozen=True, slots=True)
class Settings:
    """One run. ``begin``: the daemon's clock when it begins; ``moves``: how often a person steers."""

    scenario: Scenario
    profile: Profile
    plan: Plan
    rhythm: Rhythm
    begin: datetime
    hourly_hours: int
    once: bool
    moves: int
    pace: Pace
    reach: tuple[float, float]  # how far the node's clock may be set ahead of ours, in seconds

    @property
    def dialect(self) -> Dialect:
        """The Kubecost of this run."""
        return DIALECTS[self.scenario.profile]


@lru_cache
def profile_named(name: str) -> Profile:
    """A shipped profile, proven once."""
    return load_profile(name)


def draw_settings(rng: Random, days: int | None) -> Settings:
    """The run that ``rng`` means; ``days`` is the length of its window where it is given."""
    name = rng.choice(list(DIALECTS))
    profile = profile_named(name)
    window = Window.of_days(FIRST_DAY, FIRST_DAY + timedelta(days=(days or rng.randint(1, 3)) - 1))
    scenario = Scenario(
        "chaos",
        "whatever the seed wants",
        profile=name,
        troubles=draw_troubles(rng, DIALECTS[name].stages),
        noise=rng.choice((Noise.NONE, Noise.USUAL, Noise.USUAL, Noise.USUAL, Noise.LOUD)),
        envelope=rng.choice((Envelope.CONSOLE, Envelope.CONSOLE, Envelope.COLOUR, Envelope.JSON, Envelope.KLOG)),
        providers=(AWS,) if rng.random() < 0.5 else (AWS, AZURE),
    )
    hourly = rng.random() < 0.1
    plan = Plan(
        "chaos",
        name,
        window,
        tuple(
            StagePlan(
                stage.rules,
                PATIENCE,
                chunk_days=rng.choice((None, None, 1, 2)),
                wait_hourly=hourly and rng.random() < 0.5,
            )
            for stage in profile.stages
        ),
        blind=BLIND,
        destinations=(Destination("chat", EVENTS), Destination("mail", frozenset({"held", "failed", "run_done"}))),
    )
    long_past = max(datetime(2023, 1, 12, tzinfo=UTC), window.end + timedelta(days=8))
    begin = long_past + timedelta(hours=rng.randrange(24), minutes=rng.randrange(60))
    return Settings(
        scenario,
        profile,
        plan,
        replace(Rhythm.for_patience(PATIENCE.quiet), lifetime=rng.choice((60.0, 300.0, 1800.0))),
        begin,
        24 * 14 if hourly else 49,
        once=rng.random() < 0.5,
        moves=rng.choice((0, 0, 0, 1, 3)),
        pace=replace(PACE, restart=rng.choice((1.0, 8.0))),
        reach=rng.choice(((-4.0, 16.0), (-10.0, 10.0), (0.0, 20.0))),
    )


def draw_troubles(rng: Random, stages: tuple[str, ...]) -> tuple[Trouble, ...]:
    """What happens to the repairs: mostly nothing, at most two things, and lines that come late."""
    working = [stage for stage in stages if stage in WORKING]
    stage, store, day = rng.choice(working), rng.choice(STORES), rng.randrange(3)
    makers: list[tuple[float, Trouble]] = [
        (3, Dies(stage, day, rng.randint(1, 2), *rng.choice((("Error", 2), ("OOMKilled", 137))))),
        (1, Dies(stage, day, EVER, "OOMKilled", 137)),
        (3, Replaced(stage, day, rollout=rng.random() < 0.5)),
        (2, Slow(stage, day)),
        (1, Emptied(store, day)),
        (1, Refused(store)),
        (1, Silent(rng.choice(stages))),
        (1, Foreign(stage, day, rng.choice(STORES), rng.choice((0, 30)))),
        (1, Stalled(stage, day)),
        (1, Denied("cloudCost")),
        (2, Rereads(store)),
    ]
    count = rng.choices((0, 1, 2), (6, 3, 1))[0]
    weights = [weight for weight, _ in makers]
    drawn = [rng.choices([one for _, one in makers], weights)[0] for _ in range(count)]
    late: list[Trouble] = [Late()] if rng.random() < 0.3 else []
    return tuple(dict.fromkeys([*drawn, *late]))
