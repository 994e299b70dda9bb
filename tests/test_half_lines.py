"""A half line at the end of a log says nothing about the lines before it, as long as those wait to be delivered."""

from __future__ import annotations

import asyncio

from tests.virtual_cluster import VirtualCluster
from watcher.core.events import CaughtUp
from watcher.simulator.virtual import VirtualLoop, run
from watcher.sources import LinesRead, SourceEvent


def test_nothing_is_caught_up_with_while_lines_behind_a_rotation_wait_to_be_admitted() -> None:
    async def main(_: VirtualLoop) -> list[SourceEvent]:
        world = VirtualCluster()
        told: list[SourceEvent] = []

        async def emit(event: SourceEvent) -> None:
            told.append(event)

        world.life.log.write(b"before")
        async with asyncio.TaskGroup() as tasks:
            follower = tasks.create_task(world.source.follow(emit, None))
            await asyncio.sleep(60)
            told.clear()
            world.api.break_streams()
            world.life.log.rotate()
            world.life.log.write(b"behind the rotation")
            world.life.log.write(b"half a li", newline=False)
            await asyncio.sleep(60)
            follower.cancel()
        return told

    told = run(main)
    lines = next(number for number, event in enumerate(told) if isinstance(event, LinesRead) and event.lines)
    caught_up = next(number for number, event in enumerate(told) if isinstance(event, CaughtUp))
    assert lines < caught_up
