"""Recorded logs: bytes per second of `watcher replay` beside its peers, by density and pattern set."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
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
DENSITIES = (0.0, 0.001, 0.05)
MB = 1_000_000


def measure(folder: Path, size: int, count: int, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """One row for each density, pattern set and contestant."""
    patterns = extended(load_profile(THIRTY))
    rows: list[dict[str, Any]] = []
    for density in DENSITIES:
        with _log(folder, size, density, tell) as log:
            ours = {"watcher, 30 patterns": THIRTY, "watcher, shipped profile": SHIPPED}
            contestants = {name: _our_turn(log, profile) for name, profile in ours.items()}
            contestants |= {peer.name: _turn(peer, log, folder, patterns) for peer in PEERS if peer.installed}
            tell(f"files, density {density:.1%}: {', '.join(contestants)}")
            series = rounds(count, contestants)
            rows += [_row(density, each, series) for each in series.values()]
            rows += [{"density": density, "name": peer.name, "missing": True} for peer in PEERS if not peer.installed]
    return rows


def memory(folder: Path, sizes: tuple[int, ...], tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Peak memory of a replay by the size of the log."""
    rows = []
    for size in sizes:
        with _log(folder, size, 0.001, tell) as log:
            done = run(watcher(log, THIRTY))
            rows.append({"bytes": log.stat().st_size, "kib": done.memory, "seconds": done.seconds})
    return rows


def _row(density: float, series: Series, all_of_them: dict[str, Series]) -> dict[str, Any]:
    ours = all_of_them["watcher, 30 patterns"]
    return {
        "density": density,
        "name": series.name,
        "mb_per_second": round(series.median / MB, 2),
        "ours_is_times": round(ratio(ours, series), 2),
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
        series.said = f"{done.output.split()[-1]} lines" if peer.most > 1 << 32 and done.output.split() else ""
        if size < log.stat().st_size:
            series.said = f"on the first {size >> 20 or 1} MiB"
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
