"""What outlives a process of the simulated Kubecost: how it is installed, what is on its disk, what truly happened."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from watcher.core.window import ONE_DAY, ONE_HOUR, Window, midnight
from watcher.simulator.cluster import Cluster
from watcher.simulator.dialects import Dialect
from watcher.simulator.ledger import Ledger
from watcher.simulator.pace import Pace
from watcher.simulator.scenarios import Scenario
from watcher.simulator.troubles import Trouble

Rows = tuple[int, int]


@dataclass(slots=True)
class Disk:
    """The stores' files: rows in and out of every day. What was never repaired is there too, with too few rows."""

    rng: random.Random
    rows: dict[tuple[str, date], Rows] = field(default_factory=dict)

    def read(self, kind: str, day: date) -> Rows:
        """The contents of a day as they are."""
        if (kind, day) not in self.rows:
            rows_in = self.rng.randint(2, 9)
            self.rows[kind, day] = (rows_in, self.rng.randint(1, rows_in))
        return self.rows[kind, day]

    def write(self, kind: str, day: date, *, empty: bool = False) -> Rows:
        """New contents for a day: as many rows as it should have, or none."""
        rows_in = 0 if empty else self.rng.randint(120, 900)
        self.rows[kind, day] = (rows_in, 0 if empty else self.rng.randint(3, 90))
        return self.rows[kind, day]


@dataclass(slots=True)
class Installation:
    """One Kubecost. ``window`` is the run's: the scenario's troubles count their days from its start."""

    cluster: Cluster
    dialect: Dialect
    scenario: Scenario
    window: Window
    pace: Pace
    rng: random.Random
    ledger: Ledger
    disk: Disk
    hourly_hours: int = 49
    happened: Counter[Trouble] = field(default_factory=Counter)

    def identity(self) -> str:
        """Five letters, as Kubecost marks its runs."""
        return "".join(self.rng.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", k=5))

    def now(self) -> datetime:
        """The clock of the cluster."""
        return self.cluster.now()

    def today(self) -> Window:
        """The day that is not over."""
        start = midnight(self.now().date())
        return Window(start, start + ONE_DAY)

    def hourly_coverage(self) -> Window:
        """What the hourly stores hold."""
        end = self.now().replace(minute=0, second=0, microsecond=0)
        return Window(end - self.hourly_hours * ONE_HOUR, end)

    def stored_days(self) -> list[date]:
        """The days that are read from disk at start-up: the run's, some around them, and the latest."""
        around = Window(self.window.start - 2 * ONE_DAY, self.window.end + 2 * ONE_DAY)
        latest = Window(self.today().start - 3 * ONE_DAY, self.today().end)
        return sorted({*around.days(), *latest.days()})

    def index(self, day: date) -> int:
        """Which day of the run this is, from 0."""
        return (midnight(day) - self.window.start) // timedelta(days=1)

    def is_day(self, trouble_day: int, day: date) -> bool:
        """True when ``day`` is the one a trouble means; a run with fewer days has it on its last."""
        last = self.index(self.window.end.date()) - 1
        return self.index(day) == (last if trouble_day < 0 else min(trouble_day, last))
