"""What the watcher wants to reach, and whether a run shows it. What was not measured says why: nothing is left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks import follow, start
from benchmarks.growth import worst

Results = Mapping[str, Any]
"""What each section said, by its name; a section that was not asked for is missing, one that failed is a text."""

MIB = 1024  # KiB


class Missing(Exception):
    """A target cannot be judged; the text says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """``value`` takes what ``section`` said; it must be at least (or ``at_most``) ``bound``. Floats but for counts."""

    section: str
    what: str
    bound: float
    unit: str
    value: Callable[[Any], float]
    at_most: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target, what was measured (None: nothing), and whether that is enough, or why nobody knows."""

    target: Target
    measured: float | None
    met: bool
    why: str = ""


def judge(results: Results) -> list[Verdict]:
    """Every target, in order."""
    return [_judge(target, results) for target in TARGETS]


def _judge(target: Target, results: Results) -> Verdict:
    said = results.get(target.section)
    if said is None:
        return Verdict(target, None, met=False, why=f"not measured: --only left out {target.section}")
    if isinstance(said, str):
        return Verdict(target, None, met=False, why=f"not measured: {target.section} failed")
    try:
        measured = target.value(said)
    except Missing as missing:
        return Verdict(target, None, met=False, why=f"not measured: {missing}")
    if math.isnan(measured):
        return Verdict(target, None, met=False, why="not measured: a turn failed")
    return Verdict(target, measured, measured <= target.bound if target.at_most else measured >= target.bound)


def _row(rows: list[dict[str, Any]], **keys: Any) -> dict[str, Any]:
    for row in rows:
        if all(row[key] == value for key, value in keys.items()):
            return row
    message = f"{keys.get('name', keys)} is not installed"
    raise Missing(message)


def _beside(peer: str, density: float, key: str = "ours_is_times") -> Callable[[Any], float]:
    return lambda said: float(_row(said["rows"], name=peer, density=density)[key])


def _absent(reason: str) -> Callable[[Any], float]:
    def value(_: Any) -> float:
        raise Missing(reason)

    return value


def _following(peer: str, framing: str) -> Callable[[Any], float]:
    return lambda said: float(_row(said["rows"], name=peer, framing=framing)["ours_is_times"])


def _slowest_latency(key: str) -> Callable[[Any], float]:
    def value(said: Any) -> float:
        name = f"{follow.CURL} | grep -E"
        rows = [_row(said["rows"], name=name, noise=noise) for noise in follow.NOISES]
        return max(float(row[f"ours_is_times_{key}"]) for row in rows)

    return value


def _memory(said: Any) -> float:
    return max(float(row["peak_kib"]) for row in said["memory"]) / MIB


def _memory_growth(said: Any) -> float:
    peaks = [float(row["peak_kib"]) for row in said["memory"]]
    return max(peaks) / min(peaks) if min(peaks) else math.nan


def _start(name: str) -> Callable[[Any], float]:
    return lambda said: float(_row(said["rows"], name=name)["seconds"])


def _start_ratio(name: str) -> Callable[[Any], float]:
    return lambda said: float(_row(said["rows"], name=name)["bare_is_times"])


def _most_days(*names: str) -> Callable[[Any], float]:
    return lambda said: worst(max(said["days"], key=lambda row: int(row["days"])), *names)


_CHUNKS, _LINES = follow.FRAMINGS
_CURL_GREP, _KUBECTL_GREP = f"{follow.CURL} | grep -E", f"{follow.KUBECTL} | grep -E"

TARGETS = (
    Target("files", "replay, 30 patterns, density 0.1 %, beside `rg -c`", 1.8, "×", _beside("rg -c", 0.001)),
    Target("files", "replay, 30 patterns, density 0.1 %, beside `grep -E`", 4, "×", _beside("grep -E", 0.001)),
    Target(
        "files",
        "replay, 30 patterns, density 0.1 %, beside Fluent Bit or mtail",
        30,
        "×",
        _absent("Debian has no Fluent Bit, and its mtail ends before it has read all"),
    ),
    Target("files", "replay, 30 patterns, density 0.1 %, beside SEC", 100, "×", _beside("SEC", 0.001)),
    Target(
        "files", "replay, 30 patterns, density 0.1 %, beside fail2ban-regex", 100, "×", _beside("fail2ban-regex", 0.001)
    ),
    Target("files", "replay, 30 patterns, density 5 %, beside `rg -c`", 0.6, "×", _beside("rg -c", 0.05)),
    Target("files", "replay, 30 patterns, density 5 %, beside `grep -E`", 2, "×", _beside("grep -E", 0.05)),
    Target(
        "files",
        "replay, shipped profile, density 0.1 %, beside `rg -c` with the 30 (1.0 GB/s where it has 0.65)",
        1.0 / 0.65,
        "×",
        _beside("rg -c", 0.001, "shipped_is_times"),
    ),
    Target("files", "replay, peak memory, any size of log", 64, "MiB", _memory, at_most=True),
    Target("files", "replay, peak memory, largest log beside the smallest", 1.1, "×", _memory_growth, at_most=True),
    Target(
        "differences",
        "facts that differ from the line-by-line matcher's",
        0,
        "",
        lambda said: said["count"],
        at_most=True,
    ),
    Target("differences", "random triples that were compared", 10_000, "", lambda said: said["triples"]),
    Target("follow", f"following, {_CHUNKS}, beside `curl -sN \\| grep -E`", 1.5, "×", _following(_CURL_GREP, _CHUNKS)),
    Target(
        "follow", f"following, {_CHUNKS}, beside `kubectl logs \\| grep -E`", 1, "×", _following(_KUBECTL_GREP, _CHUNKS)
    ),
    Target(
        "follow", f"following, {_LINES}, beside `kubectl logs \\| grep -E`", 1, "×", _following(_KUBECTL_GREP, _LINES)
    ),
    Target(
        "follow",
        f"following, {_CHUNKS}, beside {follow.THROWN_AWAY}",
        0.45,
        "×",
        _following(follow.THROWN_AWAY, _CHUNKS),
    ),
    Target(
        "follow", f"following, {_LINES}, beside {follow.THROWN_AWAY}", 0.85, "×", _following(follow.THROWN_AWAY, _LINES)
    ),
    Target(
        "latency",
        "server's write to the fact, p50, beside `curl -sN \\| grep -E --line-buffered`",
        2,
        "×",
        _slowest_latency("p50_us"),
        at_most=True,
    ),
    Target(
        "latency",
        "server's write to the fact, p99, beside `curl -sN \\| grep -E --line-buffered`",
        2,
        "×",
        _slowest_latency("p99_us"),
        at_most=True,
    ),
    Target(
        "latency",
        "last evidence of a day to the next request at the server, p99, saved in between",
        50,
        "ms",
        lambda said: _row(said["reaction"], name=follow.OURS)["p99_us"] / 1000,
        at_most=True,
    ),
    Target(
        "idle", "idle following, share of a core", 0.2, "%", lambda said: said["share_of_a_core"] * 100, at_most=True
    ),
    Target(
        "idle", "idle following, memory with everything on", 70, "MiB", lambda said: said["rss_kib"] / MIB, at_most=True
    ),
    Target(
        "start",
        "`watcher version`, beside Python that does nothing",
        3,
        "×",
        _start_ratio("watcher version"),
        at_most=True,
    ),
    Target(
        "start",
        "`watcher --help`, beside Python that does nothing",
        3,
        "×",
        _start_ratio("watcher --help"),
        at_most=True,
    ),
    Target("start", "`watcher check`", 0.35, "s", _start("watcher check"), at_most=True),
    Target("start", "`watcher replay` of a small file", 0.35, "s", _start(start.REPLAYS[0]), at_most=True),
    Target("growth", "400 days × 4 stages: a step, p99", 20, "ms", _most_days("step"), at_most=True),
    Target("growth", "400 days × 4 stages: the page, p99", 20, "ms", _most_days("page"), at_most=True),
    Target("growth", "400 days × 4 stages: the status document, p99", 20, "ms", _most_days("status"), at_most=True),
    Target(
        "growth",
        "start from a journal of 100,000 entries",
        1,
        "s",
        lambda said: max(said["journals"], key=lambda row: int(row["entries"]))["seconds"],
        at_most=True,
    ),
)
