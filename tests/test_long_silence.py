"""Two days without an event cost nothing that grows, and a stream that went deaf in them is found out."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.edges.listening import PATIENT, Scene, listening
from tests.edges.scripted_kube import ScriptedKube, serving
from tests.virtual_cluster import PLAN, VirtualCluster
from watcher.cluster import Rhythm
from watcher.core.commands import Record
from watcher.core.moves import RunStatus
from watcher.core.plan import Patience
from watcher.core.state import State
from watcher.simulator.virtual import VirtualLoop, run
from watcher.store import Store

HOUR = 3600.0
DAY = 24 * HOUR
WEEK = timedelta(days=7)
PATIENT_PLAN = replace(
    PLAN, stages=tuple(replace(stage, patience=Patience(start=WEEK, day=WEEK, quiet=WEEK)) for stage in PLAN.stages)
)


@dataclass(frozen=True)
class Size:
    """What the daemon takes up, but for the caches of libraries, which fill once."""

    blocks: int  # pieces of memory that are allocated
    objects: int
    tasks: int
    state_file: int  # bytes, all files of it together
    journal: int  # entries


class Ledger(VirtualCluster):
    """A virtual cluster whose daemon keeps its state in a file."""

    store: Store
    saves = 0

    async def save(self, state: State, cursor: str | None, records: tuple[Record, ...]) -> None:
        self.saves += 1
        self.store.save(state, cursor, records)

    def size(self) -> Size:
        gc.collect()
        folder = self.store.path.parent
        return Size(
            sys.getallocatedblocks(),
            len(gc.get_objects()),
            len(asyncio.all_tasks()),
            sum(path.stat().st_size for path in folder.iterdir()),
            self.store._connection().execute("select count(*) from journal").fetchone()[0],
        )


@asynccontextmanager
async def living(folder: Path, rhythm: Rhythm | None = None) -> AsyncIterator[Ledger]:
    """A daemon follows inside the block, and has asked for its first repair, which goes on and on."""
    world = Ledger(rhythm=rhythm or Rhythm(), plan=PATIENT_PLAN)
    world.store = Store(folder / "watcher.db").open()
    world.store.begin({}, State.begin(world.plan))
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(world.daemon().run(), name="daemon")
        try:
            yield world
        finally:
            running.cancel()
            world.store.close()


@pytest.mark.timeout(120)
def test_two_days_without_an_event_grow_nothing(tmp_path: Path) -> None:
    sizes: list[Size] = []

    async def main(_: VirtualLoop) -> None:
        async with living(tmp_path) as world:
            await asyncio.sleep(10 * HOUR)  # the log of the state file has reached its size by then
            sizes.append(world.size())
            asked = world.asked
            await asyncio.sleep(2 * DAY)
            sizes.append(world.size())
            assert world.asked - asked > 2 * DAY / world.rhythm.probe_idle  # it was awake all the time
            assert world.healthy() == (True, "")
            assert world.shell.state.status is RunStatus.RUNNING
            assert world.shell.state.log.gaps == ()

    run(main)
    before, after = sizes
    assert after.blocks <= before.blocks + 2000  # of about 500,000; a block for each look would be 6,000 more
    assert after.objects <= before.objects + 500
    assert after.tasks == before.tasks
    assert after.state_file == before.state_file
    assert after.journal == before.journal


def test_a_stream_that_is_deaf_all_day_is_found_out_with_every_line_that_the_container_logs(tmp_path: Path) -> None:
    """Only the canary is left of the watchdogs; the stream is open, and stuck at a file that was rotated away."""
    deaf = replace(Rhythm(), sock_read=10 * DAY, lifetime=10 * DAY)
    bound = deaf.probe_idle + deaf.stall + deaf.lag + 2  # the last of these: to make sure whose log it is now

    async def main(_: VirtualLoop) -> None:
        async with living(tmp_path, deaf) as world:
            await asyncio.sleep(60)
            for hour in range(24):
                await asyncio.sleep(HOUR - bound)
                world.life.log.rotate(followers_stuck=True)
                line = b"hour %d" % hour
                world.life.log.write(line)
                await asyncio.sleep(bound)
                assert world.lines[-1:] == [line]

    run(main)


async def test_reconnects_leave_no_file_open(tmp_path: Path) -> None:
    """Over real sockets, where a forgotten connection would be one."""
    kube = ScriptedKube()
    kube.write(b"one")
    async with serving(kube) as address:
        scene = Scene(kube, address, tmp_path)
        async with listening(scene.source(replace(PATIENT, lifetime=0.005, backoff_cap=0.002))) as heard:
            await heard.until(lambda: scene.follows() > 20)
            before = open_files()
            await heard.until(lambda: scene.follows() > 120, 30)
            assert open_files() <= before + 4  # what is just now being opened and closed
        assert heard.lines == [b"one"]


def open_files() -> int:
    return sum(1 for _ in Path("/dev/fd").iterdir())
