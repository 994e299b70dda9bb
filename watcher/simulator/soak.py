"""Many seeds side by side: ``python -m watcher.simulator.soak 1000``.

Prints how fast it went, how many hours were simulated, how the runs ended, and every seed in which a law did not hold.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from watcher.simulator.chaos import Report, simulate

BATCH = 10  # seeds that a process takes at once


@dataclass(slots=True)
class Tally:
    """What came of all seeds. ``failed``: the reports of those in which a law did not hold."""

    seeds: int = 0
    simulated: float = 0.0
    steps: int = 0
    lives: int = 0
    requests: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    failed: list[Report] = field(default_factory=list)

    def add(self, report: Report) -> None:
        """Count one seed."""
        self.seeds += 1
        self.simulated += report.seconds
        self.steps += report.steps
        self.lives += report.lives
        self.requests += report.requests
        self.ends[report.status] += 1
        if report.breaches:
            self.failed.append(report)

    def lines(self, seconds: float) -> Iterator[str]:
        """The summary; ``seconds``: the real time that it took."""
        ends = ", ".join(f"{count} {status}" for status, count in sorted(self.ends.items()))
        speed = f"{self.seeds / seconds:.1f} seeds/s, {self.simulated / seconds:,.0f} times as fast as real time"
        yield f"{self.seeds} seeds in {seconds:.0f} s: {speed}"
        yield (
            f"{self.simulated / 3600:,.1f} simulated hours, {self.steps:,} steps, "
            f"{self.lives:,} lives of the daemon, {self.requests:,} requests"
        )
        yield f"ends: {ends}"
        yield f"{len(self.failed)} failing seeds" + (":" if self.failed else "")
        for report in self.failed:
            yield f"  {report.seed}: {report.breaches[0]}"
        if self.failed:
            yield f"replay one: watcher simulate --chaos --seed {self.failed[0].seed}"


def soak(seeds: Iterable[int], jobs: int, days: int | None = None) -> Tally:
    """Simulate the seeds in ``jobs`` processes."""
    tally = Tally()
    wanted = list(seeds)
    batches = [(wanted[start : start + BATCH], days) for start in range(0, len(wanted), BATCH)]
    with ProcessPoolExecutor(jobs) as processes:
        for reports in processes.map(_simulate, batches):
            for report in reports:
                tally.add(report)
    return tally


def _simulate(batch: tuple[list[int], int | None]) -> list[Report]:
    seeds, days = batch
    return [simulate(seed, days) for seed in seeds]


def main(arguments: list[str] | None = None) -> int:
    """Soak as the command line wants it; 1 where a law did not hold."""
    parser = argparse.ArgumentParser(prog="python -m watcher.simulator.soak", description=__doc__)
    parser.add_argument("seeds", type=int, nargs="?", default=1000, help="how many seeds (default: 1000)")
    parser.add_argument("--first", type=int, default=0, help="the first of them (default: 0)")
    parser.add_argument("--days", type=int, help="days in each window (default: as the seed wants it)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one per core)")
    chosen = parser.parse_args(arguments)
    began = time.perf_counter()
    tally = soak(range(chosen.first, chosen.first + chosen.seeds), chosen.jobs, chosen.days)
    for line in tally.lines(time.perf_counter() - began):
        print(line)  # noqa: T201 - it speaks to a person
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
