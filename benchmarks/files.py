"""Recorded logs: bytes per second of `watcher replay` beside its peers, by density and pattern set."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.loggen import generate
from benchmarks.peers import PEERS, Peer, watcher
from benchmarks.running import Series, ratio, rounds, run
from benchmarks.translate import extended
from watcher.profile import load_profile

THIRTY = str(Path(__file__).with_name("thirty.yaml"))
SHIPPED = "kubecost-1.99"
OURS = "watcher replay, 30 patterns"
SHIPPED_ALONE = "watcher replay, shipped profile"
DENSITIES = (0.0, 0.001, 0.05)
MB = 1_000_000


def measure(folder: Path, size: int, count: int, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """One row for each density, pattern set and contestant."""
    patterns = extended(load_profile(THIRTY))
    rows: list[dict[str, Any]] = []
    for density in DENSITIES:
        with _log(folder, size, density, tell) as log:
            contestants = {OURS: _our_turn(log, THIRTY), SHIPPED_ALONE: _our_turn(log, SHIPPED)}
            contestants |= {peer.name: _turn(peer, log, folder, patterns) for peer in PEERS if peer.installed}
            tell(f"files, density {density:.1%}: {', '.join(contestants)}")
            series = rounds(count, contestants)
            rows += [_row(density, each, series) for each in series.values()]
    return rows


def memory(folder: Path, sizes: Sequence[int], tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Peak memory of a replay by the size of the log."""
    rows = []
    for size in sizes:
        with _log(folder, size, 0.001, tell) as log:
            done = run(watcher(log, THIRTY))
            rows.append({"bytes": log.stat().st_size, "peak_kib": done.memory, "seconds": done.seconds})
    return rows


def _row(density: float, series: Series, all_of_them: dict[str, Series]) -> dict[str, Any]:
    return {
        "density": density,
        "name": series.name,
        "mb_per_second": series.median / MB,
        "ours_is_times": ratio(all_of_them[OURS], series),
        "shipped_is_times": ratio(all_of_them[SHIPPED_ALONE], series),
        "peak_kib": series.memory,
        "said": series.said,
    }


def _our_turn(log: Path, profile: str) -> Callable[[Series], float]:
    size = log.stat().st_size

    def turn(series: Series) -> float:
        done = run(watcher(log, profile))
        series.memory = max(series.memory, done.memory)
        said = json.loads(done.output)["log"]
        series.said = f"{said['matched']} of {said['lines']} lines"
        return size / done.seconds

    return turn


def _turn(peer: Peer, log: Path, folder: Path, patterns: list[str]) -> Callable[[Series], float]:
    part = log if log.stat().st_size <= peer.most else _part(log, folder, peer.most)
    size = part.stat().st_size
    command = peer.command(part, folder, patterns)

    def turn(series: Series) -> float:
        done = run(command, {"LC_ALL": "C"} if peer.c_locale else None)
        series.memory = max(series.memory, done.memory)
        if done.code not in peer.good_codes:
            series.said = f"failed with exit code {done.code}"
            return math.nan
        last = done.output.split()[-1:]
        series.said = f"{last[0]} lines" if peer.counts and last else ""
        if size < log.stat().st_size:
            series.said = f"on the first {size / MB:.1f} MB"
        return size / done.seconds

    return turn


def _part(log: Path, folder: Path, size: int) -> Path:
    part = folder / f"first-{size}.log"
    with log.open("rb") as source:
        part.write_bytes(source.read(size) + source.readline())
    return part


@contextmanager
def _log(folder: Path, size: int, density: float, tell: Callable[[str], None]) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".log") as file:
        path = Path(file.name)
        lines = generate(path, size, density)
        tell(f"a log of {path.stat().st_size / MB:.0f} MB, {lines} lines, density {density:.1%}")
        yield path
