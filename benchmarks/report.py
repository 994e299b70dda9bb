"""What was measured, for people: Markdown tables."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.targets import Results, Verdict, judge

BEGIN = "<!-- benchmarks: begin -->"
END = "<!-- benchmarks: end -->"
ROUND_FROM = 100  # from here on digits behind the point say nothing


def markdown(results: Results, machine: dict[str, Any], command: str) -> str:
    """The tables of one run, and with what it was made."""
    parts = [
        f"`{command}`",
        f"{machine['cores']} cores, Python {machine['python']}, {machine['system']}; "
        + ", ".join(f"{name} {version}" for name, version in machine["peers"].items()),
        "### Targets",
        _targets(judge(results)),
    ]
    for name, said in results.items():
        parts.append(f"### {name.capitalize()}")
        parts += [said] if isinstance(said, str) else _TABLES[name](said)
    return "\n\n".join(parts) + "\n"


def update(path: Path, text: str) -> None:
    """Put the tables between the two marks of a document. Raises ValueError where it has none."""
    document = path.read_text(encoding="utf-8")
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        message = f"{path} has no place for the tables: {BEGIN} … {END}"
        raise ValueError(message)
    path.write_text(f"{before}{BEGIN}\n\n{text}\n{END}{after}", encoding="utf-8")


def _targets(verdicts: Iterable[Verdict]) -> str:
    rows = []
    for verdict in verdicts:
        target = verdict.target
        unit = f" {target.unit}" if target.unit else ""
        bound = f"{'≤' if target.at_most else '≥'} {_number(target.bound)}{unit}"
        measured = f"{_number(verdict.measured)}{unit}" if verdict.measured is not None else ""
        rows.append([target.what, bound, measured, verdict.why or ("met" if verdict.met else "**missed**")])
    return _table(["what", "target", "measured", ""], rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns of numbers to the right."""
    filled = [[_number(cell) if isinstance(cell, float) else str(cell) for cell in row] for row in rows]
    lines = ["| " + " | ".join(head) + " |", "|" + "|".join(["---", *["---:"] * (len(head) - 1)]) + "|"]
    lines += ["| " + " | ".join(row) + " |" for row in filled]
    return "\n".join(lines)


def _number(value: float) -> str:
    if math.isnan(value):
        return "failed"
    if value == round(value) or abs(value) >= ROUND_FROM:
        return f"{value:,.0f}"
    return f"{value:.2g}" if abs(value) < 1 else f"{value:.3g}"


def _mib(kib: int) -> str:
    return f"{kib / 1024:.1f}" if kib else ""


def _shown(name: str) -> str:
    return name.replace("|", "\\|")


# ---- the sections ---------------------------------------------------------------------------------------------------


def _files(said: Any) -> Iterator[str]:
    for density in dict.fromkeys(row["density"] for row in said["rows"]):
        rows = [row for row in said["rows"] if row["density"] == density]
        yield f"Density {density:.1%}; ratios are medians over the rounds of how many times as fast the watcher was."
        yield _table(
            ["who", "MB/s", "watcher, 30 patterns", "watcher, shipped", "peak MiB", ""],
            [
                [
                    row["name"],
                    row["mb_per_second"],
                    _times(row["ours_is_times"]),
                    _times(row["shipped_is_times"]),
                    _mib(row["peak_kib"]),
                    row["said"],
                ]
                for row in rows
            ],
        )
    if said["missing"]:
        yield f"Not installed: {', '.join(said['missing'])}."
    yield _table(
        ["size of the log, MB", "seconds", "peak MiB"],
        [[row["bytes"] / 1e6, row["seconds"], _mib(row["peak_kib"])] for row in said["memory"]],
    )


def _times(ratio: float) -> str:
    return f"{_number(ratio)} ×"


def _follow(said: Any) -> Iterator[str]:
    yield _table(
        ["who", "framing", "MB/s", "watcher"],
        [
            [_shown(row["name"]), row["framing"], row["mb_per_second"], _times(row["ours_is_times"])]
            for row in said["rows"]
        ],
    )


def _latency(said: Any) -> Iterator[str]:
    yield "From the server's write of a line, one every 5 ms, until it is known."
    yield _table(
        ["who", "lines of noise before each", "p50 µs", "p99 µs", "watcher, p50", "watcher, p99"],
        [
            [
                _shown(row["name"]),
                row["noise"],
                row["p50_us"],
                row["p99_us"],
                _times(row["ours_is_times_p50_us"]),
                _times(row["ours_is_times_p99_us"]),
            ]
            for row in said["rows"]
        ],
    )
    yield "From the last evidence of a day to the request for the next one at the server."
    yield _table(
        ["who", "p50 ms", "p99 ms"],
        [[_shown(row["name"]), row["p50_us"] / 1000, row["p99_us"] / 1000] for row in said["reaction"]],
    )


def _idle(said: Any) -> Iterator[str]:
    yield _table(
        ["seconds", "processor seconds an hour", "share of a core", "MiB at the end", "peak MiB"],
        [
            [
                said["seconds"],
                said["cpu_seconds_per_hour"],
                f"{said['share_of_a_core']:.3%}",
                _mib(said["rss_kib"]),
                _mib(said["peak_kib"]),
            ]
        ],
    )


def _growth(said: Any) -> Iterator[str]:
    yield "p50 / p99 in milliseconds; the looks are over HTTP."
    names = ("step", "save", "page", "status", "metrics")
    rows = [
        [f"{row['days']} days × {row['stages']} stages, {row['destinations']} destinations"]
        + [f"{row[f'{name}_p50_us'] / 1000:.2f} / {row[f'{name}_p99_us'] / 1000:.2f}" for name in names]
        for row in [*said["days"], *said["destinations"]]
    ]
    yield _table(["", *names], rows)
    yield _table(
        ["entries in the journal", "MB", "seconds from the start to the open log"],
        [[f"{row['entries']:,}", row["bytes"] / 1e6, row["seconds"]] for row in said["journals"]],
    )


def _start(said: Any) -> Iterator[str]:
    yield _table(
        ["command", "milliseconds", "bare Python"],
        [[row["name"], row["seconds"] * 1000, _times(row["bare_is_times"])] for row in said["rows"]],
    )


def _differences(said: Any) -> Iterator[str]:
    yield f"{said['triples']:,} random triples of log, chunking and pattern set: {said['count']} differences."
    yield from said["differences"]


def _simulation(said: Any) -> Iterator[str]:
    speeds = [_number(said[f"{what}_per_second"]) for what in ("hours", "seeds", "steps")]
    yield (
        f"{said['seeds']} seeds on {said['cores']} cores, {said['failing_seeds']} of them failing. "
        f"In each second: {speeds[0]} simulated hours, {speeds[1]} seeds, {speeds[2]} steps of the loop."
    )


_TABLES = {
    "files": _files,
    "follow": _follow,
    "latency": _latency,
    "idle": _idle,
    "growth": _growth,
    "start": _start,
    "differences": _differences,
    "simulation": _simulation,
}
