"""The probe fails when any task of ours stands still, and for nothing else. Virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.freezing import Freezer
from tests.virtual_cluster import VirtualCluster
from watcher.cluster import Rhythm
from watcher.core.commands import Record
from watcher.core.state import State
from watcher.daemon import Save
from watcher.face import health
from watcher.pulse import GRACE, Pulses
from watcher.simulator.objects import Death
from watcher.simulator.weather import Sky, Weather
from watcher.store import SaveError

pytestmark = pytest.mark.looptime(start=0)

STEP = 4.0  # seconds between two probes
HOUR = 3600.0
LONG = 1200.0


@pytest.fixture
async def freezer() -> AsyncIterator[Freezer]:
    freezer = Freezer()
    asyncio.get_running_loop().set_task_factory(freezer)
    yield freezer
    freezer.thaw()


async def until_ill(world: VirtualCluster, longest: float) -> float:
    """Seconds until the probe fails."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    while loop.time() < begin + longest:
        await asyncio.sleep(STEP)
        if not world.healthy()[0]:
            return loop.time() - begin
    return longest


@asynccontextmanager
async def living(
    world: VirtualCluster, freezer: Freezer | None = None, save: Save | None = None
) -> AsyncIterator[None]:
    """The daemon runs inside the block."""
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(world.daemon(save).run(), name="daemon")
        try:
            yield
        finally:
            if freezer is not None:
                freezer.thaw()
            running.cancel()


@pytest.mark.parametrize(
    ("task", "name", "bound"),
    [
        ("daemon", "the daemon's loop", 10),
        ("follow", "the reader of the log", Rhythm().sock_read),
        ("look at the log", "the look at the log", Rhythm().probe_idle),
        ("look at the pod", "the look at the pod", Rhythm().poll),
    ],
)
async def test_each_long_lived_task_frozen_in_turn_fails_the_probe(
    freezer: Freezer, task: str, name: str, bound: float
) -> None:
    """It says who; within the bound of that task and the grace."""
    world = VirtualCluster()
    async with living(world, freezer):
        await asyncio.sleep(600)
        assert world.healthy() == (True, "")
        freezer.freeze(task)
        ill = await until_ill(world, HOUR)
        assert GRACE < ill <= GRACE + bound + STEP
        assert name in world.healthy()[1]


@pytest.mark.parametrize("kind", ["request", "notify"])
async def test_a_command_that_never_ends_fails_the_probe(kind: str) -> None:
    world = VirtualCluster(answers_hang=kind == "request", messages_hang=kind == "notify")
    async with living(world):
        ill = await until_ill(world, HOUR)
        assert ill == pytest.approx(world.shell.edges.longest + GRACE, abs=10)
        assert f"a {kind}" in world.healthy()[1]


@pytest.mark.parametrize("dead", ["look at the log", "look at the pod"])
async def test_a_watch_that_died_without_a_word_fails_the_probe(dead: str) -> None:
    """A cancelled task ends, and its task group says nothing."""
    world = VirtualCluster()
    async with living(world):
        await asyncio.sleep(100)
        next(task for task in asyncio.all_tasks() if task.get_name() == dead).cancel()
        assert await until_ill(world, HOUR) < 200


async def test_a_follower_that_died_without_a_word_ends_the_daemon() -> None:
    """The next start reads on from what was saved."""
    world = VirtualCluster()
    running = asyncio.ensure_future(world.daemon().run())
    await asyncio.sleep(100)
    next(task for task in asyncio.all_tasks() if task.get_name() == "follow").cancel()
    with pytest.raises(BaseExceptionGroup) as caught:
        await running
    assert "nobody follows the log any more" in str(caught.value.exceptions[0])


async def test_a_dead_stream_is_healthy_only_while_a_watchdog_can_notice_it(freezer: Freezer) -> None:
    """The stream brings nothing any more. With its watches alive it is replaced; with none the probe fails."""
    world = VirtualCluster(rhythm=replace(Rhythm(), sock_read=10**6, lifetime=10**6))
    async with living(world, freezer):
        await asyncio.sleep(100)
        world.life.log.rotate(followers_stuck=True)
        world.life.log.write(b"one")
        await asyncio.sleep(world.rhythm.probe_idle + world.rhythm.stall + 2)
        assert world.lines == [b"one"]
        assert world.healthy() == (True, "")
        freezer.freeze("look at the log")
        world.life.log.rotate(followers_stuck=True)
        world.life.log.write(b"two")
        assert await until_ill(world, HOUR) < HOUR
        assert world.lines == [b"one"]


# ---- no reason to be restarted


@pytest.mark.parametrize("sky", [sky for sky in Sky if sky is not Sky.CLEAR])
async def test_an_api_that_is_away_for_long_is_no_illness(sky: Sky) -> None:
    weather = Weather(calm_at=LONG, skies=((300.0, LONG, sky),))
    world = VirtualCluster(weather=weather)
    async with living(world):
        await asyncio.sleep(310)
        world.api.break_streams()
        assert await until_ill(world, LONG) == LONG
        world.life.log.write(b"after")
        await asyncio.sleep(120)
        assert world.lines == [b"after"]


@pytest.mark.parametrize(
    "weather",
    [
        Weather(calm_at=LONG, hung=0.5),
        Weather(calm_at=LONG, refused=0.9),
        Weather(calm_at=LONG, cut=1.0, cut_after=50.0),
        Weather(calm_at=LONG, stalled=1.0, cut_after=50.0),
        Weather(calm_at=LONG, in_band=1.0, cut_after=50.0),
        Weather(calm_at=LONG, latency=7.0),
    ],
    ids=["hung", "refused", "cut", "stalled", "in-band", "slow"],
)
async def test_an_api_at_its_worst_is_no_illness(weather: Weather) -> None:
    world = VirtualCluster(weather=weather)
    async with living(world), asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(write_now_and_then(world))
        assert await until_ill(world, LONG) == LONG
        writing.cancel()


async def write_now_and_then(world: VirtualCluster) -> None:
    while True:
        world.life.log.write(b"x" * 50)
        await asyncio.sleep(3.0)


@pytest.mark.parametrize("what", ["no pod", "not started", "crash loop"])
async def test_a_container_that_is_away_for_long_is_no_illness(what: str) -> None:
    world = VirtualCluster()
    async with living(world):
        await asyncio.sleep(100)
        if what == "crash loop":
            world.cluster.die(world.pod, Death("OOMKilled", 137))
            world.cluster.back_off(world.pod)
        else:
            world.cluster.scale(0)
        if what == "not started":
            world.cluster.scale(1)
        assert await until_ill(world, LONG) == LONG


async def test_a_disk_that_is_full_for_a_while_is_no_illness() -> None:
    """As long as the daemon has not given it up."""
    failures = iter(range(7))

    async def save(state: State, cursor: str | None, records: tuple[Record, ...]) -> None:
        if asyncio.get_running_loop().time() > 100 and next(failures, None) is not None:
            raise SaveError("disk full")

    world = VirtualCluster()
    async with living(world, save=save):
        await asyncio.sleep(101)
        world.life.log.write(b"one")
        assert await until_ill(world, 300) == 300
        assert world.lines == [b"one"]


async def test_a_save_that_never_returns_is_an_illness() -> None:
    async def save(state: State, cursor: str | None, records: tuple[Record, ...]) -> None:
        await asyncio.sleep(10**9 if asyncio.get_running_loop().time() > 100 else 0)

    world = VirtualCluster()
    async with living(world, save=save):
        await asyncio.sleep(101)
        world.life.log.write(b"one")
        assert await until_ill(world, 300) < 200
        assert "the daemon's loop" in world.healthy()[1]


# ---- the pulses themselves


async def test_a_task_is_late_from_its_own_word_on() -> None:
    pulses = Pulses(grace=5)
    with pulses.expect("a", 10) as pulse:
        await asyncio.sleep(14)
        assert pulses.still() == []
        assert pulses.overdue() == {"a": 4}
        await asyncio.sleep(2)
        assert pulses.still() == ["a should have moved 6 s ago"]
        pulse.beat(100)
        await asyncio.sleep(100)
        assert pulses.still() == []
    await asyncio.sleep(1000)
    assert pulses.overdue() == {}


async def test_who_waits_for_somebody_else_is_not_late_and_afterwards_has_his_time_again() -> None:
    pulses = Pulses(grace=5)
    with pulses.expect("a", 1):
        pulses.hold_up()
        await asyncio.sleep(100)
        assert pulses.still() == []
        pulses.go_on()
        await asyncio.sleep(5)
        assert pulses.still() == []
        await asyncio.sleep(1)
        assert len(pulses.still()) == 1


def test_the_probe_names_everybody_who_stands_still() -> None:
    assert health([]) == (True, {"healthy": True})
    assert health(["a", "b"]) == (False, {"healthy": False, "cause": "a; b"})
