"""What no client can recover is told: as a gap that says in which pod and container, from when to when, and why."""

from __future__ import annotations

import asyncio
from datetime import datetime

import pytest

from tests.virtual_cluster import VirtualCluster
from watcher.core.commands import Record
from watcher.core.state import State
from watcher.core.view import view
from watcher.simulator.faults import Cut
from watcher.simulator.objects import Death
from watcher.simulator.weather import Sky, Weather


class Loss:
    """A story in which lines are lost for good: the way to the API is down for a while, and meanwhile it happens."""

    def __init__(self, sky: Sky = Sky.DOWN) -> None:
        self.world = VirtualCluster(weather=Weather(calm_at=600.0, skies=((100.0, 300.0, sky),)))
        self.journal: list[str] = []
        self.old = self.world.pod.name
        self.lost: list[float] = []

    def lose(self, text: bytes = b"lost") -> None:
        self.world.cluster.pod.cost_model.lives[-1].log.write(text)
        self.lost.append(self.world.cluster.clock() / 1e9)

    def write(self, text: bytes) -> None:
        self.world.cluster.pod.cost_model.lives[-1].log.write(text)

    async def save(self, state: State, cursor: str | None, records: tuple[Record, ...]) -> None:
        self.journal += [record.text for record in records]

    async def rotated(self) -> None:
        self.lose()
        await asyncio.sleep(20)
        self.world.life.log.rotate()
        self.write(b"kept")

    async def rotated_and_silent_since(self) -> None:
        self.lose()
        self.world.life.log.rotate()

    async def begun_out_of_sight(self) -> None:
        self.world.cluster.restart(self.world.pod, Death("Error", 1))
        self.lose()
        await asyncio.sleep(100)
        self.world.life.log.rotate()
        self.write(b"kept")

    async def restarted_twice(self) -> None:
        self.world.cluster.restart(self.world.pod, Death("Error", 1))
        self.lose()
        await asyncio.sleep(20)
        self.world.cluster.restart(self.world.pod, Death("Error", 1))
        self.write(b"kept")

    async def collected(self) -> None:
        self.lose()
        life = self.world.life
        self.world.cluster.restart(self.world.pod, Death("Error", 1))
        life.collected = True
        self.write(b"kept")

    async def replaced(self) -> None:
        self.lose()
        self.world.cluster.delete_pod(self.world.pod)
        self.world.cluster.start(self.world.cluster.add_pod())
        self.write(b"kept")

    async def on_a_lost_node(self) -> None:
        self.lose()
        self.world.pod.deleted_at = self.world.cluster.now()
        self.world.cluster.start(self.world.cluster.add_pod())
        await asyncio.sleep(60)
        self.write(b"kept")


LOSSES = {
    "rotated": "the log was rotated while it was not read",
    "rotated_and_silent_since": "the log was rotated while it was not read",
    "begun_out_of_sight": "the beginning of the container's log was rotated away",
    "restarted_twice": "was restarted more than once (2 restarts in all)",
    "collected": "the log of the container that ended is gone",
    "replaced": "is gone: what it logged last cannot be known",
    "on_a_lost_node": "is going away and its log cannot be read",
}


@pytest.mark.looptime(start=0)
@pytest.mark.parametrize("what", LOSSES)
async def test_what_is_lost_for_good_is_a_gap_with_pod_container_time_and_cause(what: str) -> None:
    """In the status document and in the journal, once; what is left of the log comes once, too.

    Only the end of a gap in a log that says nothing any more is told again, when the next line shows it.
    """
    story = Loss(Sky.BROKEN if what == "on_a_lost_node" else Sky.DOWN)
    world = story.world
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(world.daemon(story.save).run())
        await asyncio.sleep(50)
        story.write(b"before")
        await asyncio.sleep(51)
        world.api.break_streams()
        await asyncio.sleep(9)
        await getattr(story, what)()
        await asyncio.sleep(400)
        story.write(b"after")
        await asyncio.sleep(30)
        gap, *more = view(world.shell.state, world.cluster.now())["log"]["gaps"]
        running.cancel()
    assert world.lines == [b"before", *([] if what == "rotated_and_silent_since" else [b"kept"]), b"after"]
    assert LOSSES[what] in gap["cause"]
    assert (gap["pod"], gap["container"]) == (story.old, "cost-model")
    begin, end = (datetime.fromisoformat(gap[name]).timestamp() for name in ("from", "to"))
    assert all(begin - 1e-5 <= at <= end for at in story.lost)
    assert [one["from"] for one in more] == ([gap["from"]] if what == "rotated_and_silent_since" else [])
    told = [text for text in story.journal if text.startswith("gap: ")]
    assert len(told) == 1 + len(more)
    for part in (gap["cause"], f"pod {gap['pod']}, container cost-model", gap["from"], gap["to"]):
        assert part in told[0]


@pytest.mark.looptime(start=0)
async def test_an_end_that_is_never_seen_is_a_gap() -> None:
    """Every answer breaks off after 60 bytes, in good order: what is behind them cannot be had."""
    story = Loss()
    world = story.world
    world.network.next_cut = lambda: Cut(60, "clean")  # type: ignore[method-assign]
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(world.daemon(story.save).run())
        await asyncio.sleep(5)
        story.write(b"one")
        await asyncio.sleep(5)
        story.lose(b"lost" * 50)
        world.cluster.die(world.pod, Death("Error", 1))
        world.cluster.back_off(world.pod)
        await asyncio.sleep(80)
        (gap,) = view(world.shell.state, world.cluster.now())["log"]["gaps"]
        running.cancel()
    assert world.lines == [b"one"]
    assert "could not be made sure of" in gap["cause"]
    assert (gap["pod"], gap["container"]) == (story.old, "cost-model")
    begin, end = (datetime.fromisoformat(gap[name]).timestamp() for name in ("from", "to"))
    assert begin - 1e-5 <= story.lost[0] <= end
