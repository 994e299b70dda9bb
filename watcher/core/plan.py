"""What a run is to do, fixed when it begins: the profile's rules and the operator's choices, joined."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import IntEnum

from watcher.core.window import Window


class Evidence(IntEnum):
    """How a day can be known to be done, weakest first. A profile names the least that counts for a stage."""

    QUIET = 1  # activity on the day, then none for the patience of quiet: concluded
    NEXT_STARTED = 2  # the next day was started after this one: concluded
    WINDOW_DONE = 3  # a line says that the day's set was written
    REPAIR_ENDED = 4  # the pipeline itself says that the repair of the day is complete


@dataclass(frozen=True, slots=True)
class StageRules:
    """How one pipeline behaves, as its profile says.

    ``prints_start``: the pipeline prints a start line of its own, and nothing counts before it.
    ``least``: the weakest evidence that makes a day done; stronger evidence counts as well.
    ``per_provider``: a day is done when every known provider covers it.
    ``widens``: the pipeline may work on more days than asked for, so windows match by containment.
    ``hourly``: the pipeline has an hourly store besides the daily one.
    ``quiet``: the pipeline's own default for the patience of quiet, None: the run's.
    """

    name: str
    prints_start: bool
    least: Evidence
    per_provider: bool = False
    widens: bool = False
    hourly: bool = False
    quiet: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long silence is accepted: until the first line, between two lines, and before silence means rest."""

    start: timedelta = timedelta(minutes=10)
    day: timedelta = timedelta(hours=2)
    quiet: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of this run: the rules of its pipeline and what the operator chose for it."""

    rules: StageRules
    patience: Patience = Patience()
    chunk_days: int | None = None  # None: the whole window in one request
    providers: frozenset[str] = frozenset()
    wait_hourly: bool = False

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.rules.name


@dataclass(frozen=True, slots=True)
class Destination:
    """One place that messages go to, and the kinds of message it wants."""

    name: str
    events: frozenset[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything ``step`` needs to know besides the state. ``replay``: a recorded log; nothing is ever asked for."""

    name: str
    profile: str
    window: Window
    stages: tuple[StagePlan, ...]
    max_attempts: int = 3
    blind: timedelta = timedelta(minutes=15)
    destinations: tuple[Destination, ...] = field(default=())
    replay: bool = False

    def stage(self, name: str) -> StagePlan:
        """The plan of the stage ``name``; KeyError where the run has no such stage."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)
