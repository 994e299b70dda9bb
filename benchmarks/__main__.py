"""Everything that is measured, in one run: ``python3 dev.py bench``, or ``python -m benchmarks``.

A section that fails is told and does not take the others with it. What is written: Markdown on stdout, and where
``--markdown``, ``--json`` and ``--update`` say.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import differences, files, follow, growth, idle, simulation, start
from benchmarks.peers import PEERS
from benchmarks.report import markdown, update
from benchmarks.targets import judge

_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}
_NETWORK = (("curl", "curl", "--version"), ("kubectl", "kubernetes-client", "version --client"))  # program, package
_VERSION = re.compile(r"\d+(?:\.\d+)+[-~+.\w]*")


def tell(text: str) -> None:
    """Progress, for whoever waits."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _files(chosen: argparse.Namespace, folder: Path) -> Any:
    rows = files.measure(folder, chosen.size, chosen.rounds, tell)
    missing = [peer.name for peer in PEERS if not peer.installed]
    return {"rows": rows, "missing": missing, "memory": files.memory(folder, chosen.memory_sizes, tell)}


def _follow(chosen: argparse.Namespace, folder: Path) -> Any:
    return {"rows": follow.throughput(folder, chosen.follow_size, chosen.rounds, tell)}


def _latency(chosen: argparse.Namespace, folder: Path) -> Any:
    return {
        "rows": follow.latency(folder, chosen.lines, chosen.rounds, tell),
        "reaction": follow.reaction(folder, chosen.days, chosen.rounds, tell),
    }


def _idle(chosen: argparse.Namespace, folder: Path) -> Any:
    return idle.idle(folder, chosen.idle_seconds, tell)


def _growth(chosen: argparse.Namespace, folder: Path) -> Any:
    return {
        "days": growth.days(folder, tell),
        "destinations": growth.destinations(folder, tell),
        "journals": growth.journals(folder, chosen.rounds, tell),
    }


def _start(chosen: argparse.Namespace, folder: Path) -> Any:
    return {"rows": start.start(folder, chosen.starts, tell)}


def _differences(chosen: argparse.Namespace, _: Path) -> Any:
    tell(f"differences, {chosen.triples} triples")
    found = differences.compare_many(range(chosen.triples))
    return {"triples": chosen.triples, "count": len(found), "differences": found[:20]}


def _simulation(chosen: argparse.Namespace, _: Path) -> Any:
    return simulation.simulation(chosen.seeds, tell)


SECTIONS: dict[str, Callable[[argparse.Namespace, Path], Any]] = {
    "files": _files,
    "follow": _follow,
    "latency": _latency,
    "idle": _idle,
    "growth": _growth,
    "start": _start,
    "differences": _differences,
    "simulation": _simulation,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what was chosen; 1 where a section failed. A target that is missed is no failure, it is told."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    chosen = _parser().parse_args(given)
    _hint()
    results: dict[str, Any] = {}
    command = shlex.join(["python3", "dev.py", "bench", *_without_places(given)])
    machine = _machine()
    failed = False
    for name in chosen.only:
        with tempfile.TemporaryDirectory(prefix="benchmarks-", dir=chosen.folder) as folder:
            try:
                results[name] = SECTIONS[name](chosen, Path(folder))
            except Exception as error:  # noqa: BLE001  the others are to be measured all the same
                traceback.print_exc()
                results[name] = f"This section failed: {type(error).__name__}: {error}"
                failed = True
        _write(chosen, results, machine, command)  # what is measured is kept, whatever comes next
    print(markdown(results, machine, command))
    return 1 if failed else 0


def _write(chosen: argparse.Namespace, results: dict[str, Any], machine: dict[str, Any], command: str) -> None:
    text = markdown(results, machine, command)
    if chosen.json is not None:
        verdicts = [
            {**asdict(verdict), "target": {"what": verdict.target.what, "bound": verdict.target.bound}}
            for verdict in judge(results)
        ]
        document = {"command": command, "machine": machine, "targets": verdicts, "sections": results}
        chosen.json.write_text(json.dumps(_plain(document), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if chosen.markdown is not None:
        chosen.markdown.write_text(text, encoding="utf-8")
    if chosen.update is not None:
        update(chosen.update, text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    sections = ",".join(SECTIONS)
    parser.add_argument("--only", type=_sections, default=list(SECTIONS), help=f"some of {sections} (default: all)")
    parser.add_argument("--size", type=_size, default="1GB", help="of the recorded logs (default: 1GB)")
    parser.add_argument(
        "--memory-sizes", type=_sizes, default="10MB,10GB", help="of the logs for memory (default: 10MB,10GB)"
    )
    parser.add_argument("--follow-size", type=_size, default="300MB", help="of the log over HTTP (default: 300MB)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant (default: 5)")
    parser.add_argument("--lines", type=int, default=1000, help="for latency, in each round (default: 1000)")
    parser.add_argument("--days", type=int, default=200, help="for the reaction, in each round (default: 200)")
    parser.add_argument("--idle-seconds", type=float, default=600, help="(default: 600)")
    parser.add_argument("--starts", type=int, default=21, help="of each command (default: 21)")
    parser.add_argument("--triples", type=int, default=10_000, help="for differences (default: 10000)")
    parser.add_argument("--seeds", type=int, default=500, help="of the simulation (default: 500)")
    parser.add_argument("--folder", type=Path, help="where logs are written (default: the system's)")
    parser.add_argument("--json", type=Path, help="write everything to this file")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file")
    parser.add_argument("--update", type=Path, help="write the tables between the marks of this document")
    return parser


def _sections(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in SECTIONS:
            raise argparse.ArgumentTypeError(f"no section {name!r}; there are {', '.join(SECTIONS)}")
    return [name for name in SECTIONS if name in names]


def _size(text: str) -> int:
    found = re.fullmatch(r"(\d+)([KMG]B)?", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write 10MB or 1GB")
    return int(found[1]) * _UNITS[found[2] or ""]


def _sizes(text: str) -> list[int]:
    return [_size(each) for each in text.split(",")]


def _without_places(given: Sequence[str]) -> list[str]:
    """The arguments that decide what is measured: where it is written is nobody's business."""
    kept: list[str] = []
    words = iter(given)
    for word in words:
        name = word.partition("=")[0]
        if name in {"--folder", "--json", "--markdown", "--update"}:
            if name == word:
                next(words, None)
        else:
            kept.append(word)
    return kept


def _programs() -> list[tuple[str, str, str]]:
    return [*((peer.program, peer.package, peer.version) for peer in PEERS), *_NETWORK]


def _hint() -> None:
    missing = [package for program, package, _ in _programs() if shutil.which(program) is None]
    if missing:
        tell(f"some peers are not installed and are left out; on Debian: apt-get install {' '.join(missing)}")


def _machine() -> dict[str, Any]:
    versions = {program: _version(program, option) for program, _, option in _programs() if shutil.which(program)}
    return {
        "cores": os.cpu_count() or 1,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "peers": versions,
    }


def _version(program: str, option: str) -> str:
    said = subprocess.run(
        [program, *option.split()], capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL
    )
    found = _VERSION.search(said.stdout + said.stderr)
    return found[0] if found else "?"


def _plain(value: Any) -> Any:
    """The same without what JSON cannot say."""
    match value:
        case dict():
            return {key: _plain(each) for key, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case float() if math.isnan(value):
            return None
    return value


if __name__ == "__main__":
    sys.exit(main())
