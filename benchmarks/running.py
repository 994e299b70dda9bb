"""Programs are run in turn, again and again, so that whatever else the machine does falls on all of them."""

from __future__ import annotations

import math
import os
import select
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LOOK = 0.02  # seconds between two looks at how much memory a program uses
HAS_PROC = Path("/proc/self/status").is_file()
KEPT = 1 << 16  # bytes of what it writes


@dataclass(frozen=True, slots=True)
class Run:
    """One run of one program: wall and processor time in seconds, peak memory in KiB (0: too short), what it wrote."""

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
    output, memory = bytearray(), 0
    while True:
        ready, _, _ = select.select([read_end], [], [], LOOK)
        memory = max(memory, peak_memory(child.pid))
        if ready:
            piece = os.read(read_end, KEPT)
            if not piece:
                break
            output += piece[: KEPT - len(output)]
    os.close(read_end)
    _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - begun
    child.returncode = os.waitstatus_to_exitcode(status)
    text = output.decode(errors="replace")
    memory = memory if HAS_PROC else used.ru_maxrss
    return Run(seconds, used.ru_utime + used.ru_stime, memory, child.returncode, text)


def peak_memory(pid: int) -> int:
    """The most memory (KiB) that a process had in use so far; 0 where the system does not tell.

    What ``wait4`` tells of a child is at least what we ourselves used when it was started.
    """
    return _memory(pid, "VmHWM:")


def present_memory(pid: int) -> int:
    """The memory (KiB) that a process has in use; 0 where the system does not tell."""
    return _memory(pid, "VmRSS:")


def _memory(pid: int, key: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(key)), 0)


@dataclass(slots=True)
class Series:
    """What one contestant reached in each round, higher is better (NaN: it failed); ``said`` is told beside it."""

    name: str
    rates: list[float] = field(default_factory=list)
    memory: int = 0
    said: str = ""

    @property
    def median(self) -> float:
        """The median rate; NaN where a round failed."""
        return median(self.rates)


def ratio(ours: Series, theirs: Series) -> float:
    """The median, over the rounds, of how many times as fast we were in that round; NaN where a round failed."""
    return median([our / their for our, their in zip(ours.rates, theirs.rates, strict=True)])


def median(values: Sequence[float]) -> float:
    """The median; NaN where there is no value or one is NaN."""
    return statistics.median(values) if values and not any(map(math.isnan, values)) else math.nan


def rounds(count: int, contestants: Mapping[str, Callable[[Series], float]]) -> dict[str, Series]:
    """Let every contestant have its turn in every round; the turn returns its rate."""
    series = {name: Series(name) for name in contestants}
    for number in range(count):
        order = list(contestants.items())
        for name, turn in order[number % len(order) :] + order[: number % len(order)]:
            series[name].rates.append(turn(series[name]))
    return series
