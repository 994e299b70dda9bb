"""How soon a command answers, beside Python that does nothing."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.files import SHIPPED, THIRTY
from benchmarks.loggen import generate
from benchmarks.peers import watcher
from benchmarks.running import Series, ratio, rounds, run

BARE = "python -c pass"
REPLAYS = ("watcher replay, 30 patterns", "watcher replay, shipped profile")
SMALL = 100_000  # bytes of log
CONFIG = "version: 1\nwindow: 2023-01-01T00:00:00Z,2023-01-04T00:00:00Z\nprofile: kubecost-1.99\n"


def start(folder: Path, count: int, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """One row for each command."""
    tell("start")
    log, config = folder / "small.log", folder / "small.yaml"
    generate(log, SMALL, 0.001)
    config.write_text(CONFIG, encoding="utf-8")
    ours = [sys.executable, "-m", "watcher"]
    commands = {
        BARE: [sys.executable, "-c", "pass"],
        "watcher version": [*ours, "version"],
        "watcher --help": [*ours, "--help"],
        "watcher check": [*ours, "check", "-f", str(config)],
        **dict(zip(REPLAYS, (watcher(log, THIRTY), watcher(log, SHIPPED)), strict=True)),
    }
    series = rounds(count, {name: _turn(command) for name, command in commands.items()})
    return [
        {
            "name": each.name,
            "seconds": 1 / each.median,
            "bare_is_times": ratio(series[BARE], each),
            "peak_kib": each.memory,
            "said": each.said,
        }
        for each in series.values()
    ]


def _turn(command: list[str]) -> Callable[[Series], float]:
    def turn(series: Series) -> float:
        done = run(command)
        series.memory = max(series.memory, done.memory)
        if done.code not in (0, 3):  # 3: a replay that did not prove every day
            series.said = f"failed with exit code {done.code}"
            return math.nan
        return 1 / done.seconds

    return turn
