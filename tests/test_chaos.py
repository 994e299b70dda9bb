"""The whole daemon in virtual time: every law holds in every seed, and a seed is the same run each time."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from watcher.simulator.chaos import simulate
from watcher.simulator.soak import soak
from watcher.simulator.virtual import Stuck, VirtualLoop, run

SEEDS = 1000
ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.timeout(600)
def test_a_thousand_seeds_break_no_law() -> None:
    """What the laws are: docs/simulation.md. A failing seed is replayed by ``watcher simulate --chaos --seed N``."""
    tally = soak(range(SEEDS), jobs=2)
    assert tally.seeds == SEEDS
    assert {report.seed: str(report.breaches[0]) for report in tally.failed} == {}
    # The faults are there, and they are survived: else the laws would hold for nothing.
    assert tally.ends["done"] > SEEDS / 2
    assert tally.ends["held"] > SEEDS / 20
    assert tally.ends["failed"] > SEEDS / 50
    assert tally.lives > SEEDS * 1.2


def test_longer_windows_lie_in_the_past_too() -> None:
    """Today is rewritten all the time, and no run is begun that reaches into it."""
    assert [str(report.breaches[0]) for report in soak(range(4), jobs=1, days=20).failed] == []


def story(seed: int) -> list[str]:
    lines: list[str] = []
    simulate(seed, None, lines.append)
    return lines


@pytest.mark.parametrize("seed", [8, 33, 107])
def test_the_same_seed_tells_the_same_story_twice(seed: int) -> None:
    assert story(seed) == story(seed)


def test_another_seed_tells_another() -> None:
    assert story(8) != story(9)


def test_the_story_does_not_depend_on_the_process() -> None:
    """Sets are ordered by hashes, and those differ from process to process."""
    digests = set()
    for hashes in ("0", "1", "4711"):
        command = [sys.executable, "-m", "watcher", "simulate", "--chaos", "--seed", "33", "-o", "json"]
        environment = dict(os.environ, PYTHONHASHSEED=hashes, PYTHONPATH=str(ROOT))
        done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True)
        digests.add(json.loads(done.stdout)["digest"])
    assert len(digests) == 1


# ---- the loop -------------------------------------------------------------------------------------------------------


def test_hours_pass_in_no_time_and_in_order() -> None:
    async def main(loop: VirtualLoop) -> list[float]:
        seen: list[float] = []

        async def note(after: float) -> None:
            await asyncio.sleep(after)
            seen.append(loop.time())

        async with asyncio.TaskGroup() as tasks:
            for after in (7200.0, 1.0, 3600.0):
                tasks.create_task(note(after))
        return seen

    assert run(main) == [1.0, 3600.0, 7200.0]


def test_waiting_for_nothing_is_found_out() -> None:
    async def main(_: VirtualLoop) -> None:
        await asyncio.Event().wait()

    with pytest.raises(Stuck, match="nothing will ever happen"):
        run(main)


def test_a_loop_that_is_busy_for_ever_is_found_out() -> None:
    async def main(_: VirtualLoop) -> None:
        while True:
            await asyncio.sleep(0)

    with pytest.raises(Stuck, match="no end"):
        run(main, most_steps=1000)


def test_a_task_can_be_ended_between_any_two_awaits() -> None:
    """The alarm rings before the step that it was set for: that is where a machine loses its power."""
    reached: list[int] = []

    async def work() -> None:
        for number in range(100):
            reached.append(number)
            await asyncio.sleep(0)

    async def main(loop: VirtualLoop) -> None:
        task = loop.create_task(work())
        loop.after_steps(5, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)
    assert 0 < len(reached) < 10
