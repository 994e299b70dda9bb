"""``watcher run`` killed with SIGKILL again and again, in the middle of one run: ``python -m tests.kills 200``.

A process of its own each time, over real sockets, with its state in a real file. Where a kill falls between a request
and its answer, in a pipeline that prints no start line, nobody can know whether the request arrived: the run holds
then, and the part of the person who looks it up is played here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from watcher.core.window import Window
from watcher.simulator import SCENARIOS, Simulation

ROOT = Path(__file__).parent.parent
FIRST_DAY = date(2023, 1, 1)
ENDED = 0
HELD = 3
SOONEST, LATEST = 0.2, 2.4  # seconds that a life lasts: from before its first line of Python to well into its work


def environment() -> dict[str, str]:
    """As a user's, but that the checkout is found, and that texts are plain and wide."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "COLUMNS": "200"}


async def watcher(*args: str, cwd: Path) -> tuple[int, str, str]:
    """Run a command to its end; exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "watcher", *args, cwd=cwd, env=environment(), stdin=DEVNULL, stdout=PIPE, stderr=PIPE
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


def configured(simulation: Simulation, folder: Path, **more: object) -> Path:
    """Write the kubeconfig and a configuration for this simulation."""
    kubeconfig = folder / "kubeconfig"
    simulation.write_kubeconfig(kubeconfig)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump({**simulation.config(kubeconfig, folder / "watcher.db"), **more}))
    return path


@dataclass(slots=True)
class Outcome:
    """What came of a run. ``wrong``: what no careful daemon would have done; ``errors``: what lives said on stderr."""

    kills: int = 0
    lives: int = 0
    asked_a_person: int = 0
    requests: int = 0
    state: str = ""
    wrong: list[str] = field(default_factory=list)
    errors: str = ""


async def killed_run(folder: Path, kills: int, days: int, seed: int) -> Outcome:
    """Kill one run so often (fewer times only where it ends before), then let it end."""
    window = Window.of_days(FIRST_DAY, FIRST_DAY + timedelta(days=days - 1))
    rng = random.Random(seed)
    outcome = Outcome()
    async with Simulation(SCENARIOS["happy"], window=window, seed=seed) as simulation:
        # One request for each day of two stages: so many more moments between a request and its answer.
        each_day = {"stage_options": {stage: {"chunk_days": 1} for stage in ("asset", "allocation")}}
        config = configured(simulation, folder, **each_day)
        command = ("run", "--once", "-o", "json", "-f", str(config))
        document: dict[str, Any] = {}
        code: int | None = None
        while code != ENDED:
            outcome.lives += 1
            seconds = rng.uniform(SOONEST, LATEST) if outcome.kills < kills else None
            code, out, err = await _live(command, seconds, folder)
            outcome.errors += err
            if code is None:
                outcome.kills += 1
                continue
            try:
                document = json.loads(out)
            except ValueError:
                outcome.wrong = [f"life {outcome.lives} ended with {code} and without a status document"]
                return outcome
            if code == HELD and _is_unknowable(document, simulation):
                outcome.asked_a_person += 1
                for stage, day in _unclear(document):
                    await watcher("retry", "--stage", stage, "--day", day, "-f", str(config), cwd=folder)
            elif code != ENDED:
                break
        outcome.requests = len(simulation.requests)
        outcome.state = f"{document['run']['state']} ({document['run']['reason']})"
        outcome.wrong = simulation.judge(code or 0, document) + _repeated(simulation)
    return outcome


async def _live(command: Sequence[str], seconds: float | None, cwd: Path) -> tuple[int | None, str, str]:
    """One life: killed after ``seconds`` (no exit code then), or until it ends by itself."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "watcher", *command),
        cwd=cwd,
        env=environment(),
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )
    ending = asyncio.ensure_future(process.communicate())
    done, _ = await asyncio.wait([ending], timeout=seconds)
    if not done:
        process.kill()
    out, err = await ending
    said = err.decode()
    return (process.returncode if done else None), out.decode(), said if "Traceback" in said else ""


def _repeated(simulation: Simulation) -> list[str]:
    """The container never died, so nothing justifies to ask for a day twice."""
    asked = Counter(
        (request.stage, day) for request in simulation.requests if request.window for day in request.window.days()
    )
    return [f"{stage} {day} was asked for {count} times" for (stage, day), count in asked.items() if count > 1]


def _unclear(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (stage["name"], day["day"])
        for stage in document["stages"]
        for day in stage["days"]
        if day["state"] == "unclear"
    ]


def _is_unknowable(document: dict[str, Any], simulation: Simulation) -> bool:
    """Whether the run holds for days that Kubecost was truly never asked for, in a pipeline that prints no start."""
    asked = {
        (request.stage, str(day))
        for request in simulation.requests
        if request.window is not None
        for day in request.window.days()
    }
    unclear = _unclear(document)
    return (
        bool(unclear) and all(stage not in {"asset", "allocation"} for stage, _ in unclear) and not {*unclear} & asked
    )


def main(arguments: list[str] | None = None) -> int:
    """As the command line wants it; 1 where anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.kills", description=__doc__)
    parser.add_argument("kills", type=int, nargs="?", default=200, help="how often to kill it (default: 200)")
    parser.add_argument("--days", type=int, default=290, help="days in the window (default: 290)")
    parser.add_argument("--seed", type=int, default=1, help="for the moments (default: 1)")
    chosen = parser.parse_args(arguments)
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="watcher-") as folder:
        outcome = asyncio.run(killed_run(Path(folder), chosen.kills, chosen.days, chosen.seed))
    told = f"{outcome.kills} kills in {outcome.lives} lives, {time.perf_counter() - began:.0f} s"
    print(f"{told}: {outcome.state}; {outcome.requests} requests, a person asked {outcome.asked_a_person} times")
    for text in (*outcome.wrong, outcome.errors):
        if text:
            print(f"  {text}")
    if outcome.kills < chosen.kills:
        print(f"  the run ended before it was killed {chosen.kills} times: give it more --days")
    return 1 if outcome.wrong or outcome.errors or outcome.kills < chosen.kills else 0


if __name__ == "__main__":
    sys.exit(main())
