"""What can happen to a repair in a scenario. Days are counted from the first day of the run, -1 is its last."""

from __future__ import annotations

from dataclasses import dataclass

EVER = 1_000_000


@dataclass(frozen=True, slots=True)
class Dies:
    """The container dies in mid-day, at most ``times`` times."""

    stage: str
    day: int
    times: int = 1
    reason: str = "Error"
    exit_code: int = 2


@dataclass(frozen=True, slots=True)
class Replaced:
    """The pod is replaced in mid-day, once: evicted, or by a ``rollout``, in which the next pod starts first."""

    stage: str
    day: int
    rollout: bool = False


@dataclass(frozen=True, slots=True)
class Slow:
    """This day takes several times the patience of quiet."""

    stage: str
    day: int = -1


@dataclass(frozen=True, slots=True)
class Emptied:
    """The metrics of this day are gone: the repair writes an empty set over it."""

    stage: str
    day: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The daily store refuses the whole window, in the log only."""

    stage: str


@dataclass(frozen=True, slots=True)
class Silent:
    """The request is accepted and nothing follows, ever."""

    stage: str


@dataclass(frozen=True, slots=True)
class Foreign:
    """While this day is worked on, a person starts another repair: of ``of``, ``days_before`` days before the run."""

    stage: str
    day: int
    of: str
    days_before: int = 30


@dataclass(frozen=True, slots=True)
class Stalled:
    """The work on this day never comes to an end."""

    stage: str
    day: int


@dataclass(frozen=True, slots=True)
class Denied:
    """The cloud provider does not give its bill: every query fails, and says so."""

    stage: str


@dataclass(frozen=True, slots=True)
class Rereads:
    """The pipeline ends an ordinary run over all stored days before it takes up a repair: lines like the repair's."""

    stage: str


@dataclass(frozen=True, slots=True)
class Late:
    """An ordinary reconciliation ended just before the repair was asked for, and is seen just after: a slow disk."""


Trouble = Dies | Replaced | Slow | Emptied | Refused | Silent | Foreign | Stalled | Denied | Rereads | Late
