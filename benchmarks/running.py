"""Programs are run in turn, again and again, so that whatever else the machine does falls on all of them."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one program: wall and processor time in seconds, peak memory in KiB, what it wrote."""

    seconds: float
    cpu: float
    memory: int
    code: int
    output: str


def run(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run a program to its end."""
    read_end, write_end = os.pipe()
    begun = time.perf_counter()
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=write_end,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
    )
    os.close(write_end)
    output = bytearray()
    while piece := os.read(read_end, 1 << 16):
        if len(output) < 1 << 16:
            output += piece
    os.close(read_end)
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    return Run(
        seconds, used.ru_utime + used.ru_stime, used.ru_maxrss, child.returncode, output.decode(errors="replace")
    )


@dataclass(slots=True)
class Series:
    """What one contestant reached in each round, higher is better (NaN: it failed); ``said`` is told beside it."""

    name: str
    rates: list[float] = field(default_factory=list)
    memory: int = 0
    said: str = ""

    @property
    def median(self) -> float:
        """The median rate."""
        return statistics.median(self.rates) if self.rates else float("nan")


def ratio(ours: Series, theirs: Series) -> float:
    """The median, over the rounds, of how many times as fast we were in that round."""
    return statistics.median(our / their for our, their in zip(ours.rates, theirs.rates, strict=True))


def rounds(count: int, contestants: Mapping[str, Callable[[Series], float]]) -> dict[str, Series]:
    """Let every contestant have its turn in every round; the turn returns its rate."""
    series = {name: Series(name) for name in contestants}
    for number in range(count):
        order = list(contestants.items())
        for name, turn in order[number % len(order) :] + order[: number % len(order)]:
            series[name].rates.append(turn(series[name]))
    return series
