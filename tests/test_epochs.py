"""What becomes of a repair when the container that does it goes: the whole daemon, in virtual time.

Its work is void but for what was proven; nothing is asked for before the next container is ready; then only the
missing days are, in the fewest windows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from tests.virtual_cluster import PLAN, VirtualCluster
from watcher.core.events import LogRead
from watcher.core.moves import DayStatus, RunStatus
from watcher.core.plan import Patience
from watcher.core.window import Window
from watcher.matcher import Matcher
from watcher.profile import load_profile
from watcher.scan import Scanner
from watcher.simulator.objects import Death, Life, Pod
from watcher.simulator.phrases import aggregated, repairing
from watcher.simulator.virtual import VirtualLoop, run
from watcher.sources import LinesRead

DAYS = [date(2023, 1, day) for day in range(1, 5)]
OOM = Death("OOMKilled", 137)
SEEN = 60.0  # seconds within which the daemon has noticed whatever the API shows
HOUR = 3600.0


class Repaired(VirtualCluster):
    """A cluster whose pods print what the test wants, read by the daemon with the shipped patterns."""

    def __post_init__(self) -> None:
        super().__post_init__()
        patience = Patience(start=timedelta(hours=9), day=timedelta(hours=9), quiet=timedelta(minutes=5))
        stages = tuple(replace(stage, patience=patience) for stage in PLAN.stages)
        self.plan = replace(PLAN, window=Window.of_days(DAYS[0], DAYS[-1]), stages=stages, blind=timedelta(hours=9))
        self.scanner = Scanner(Matcher(load_profile("kubecost-1.99"), 60.0))

    def read_lines(self, read: LinesRead) -> LogRead:
        return self.scanner.read_lines(read)

    # ---- what Kubecost says

    def say(self, text: str, life: Life | None = None) -> None:
        (life or self.life).log.write(f"{self.cluster.now():%Y-%m-%dT%H:%M:%S.%fZ} INF {text}".encode())

    def begin(self, window: Window) -> None:
        self.say(repairing("Asset", "cfDKJ", window))

    def finish(self, day: date, life: Life | None = None) -> None:
        self.say(
            aggregated("ETL: Asset[1d]: AggregatedStore.Run[fvkKR]", Window.of_days(day, day), (19, 3), 1e-4), life
        )

    # ---- what the daemon did

    @property
    def asked(self) -> list[tuple[str, int]]:  # type: ignore[override]
        return [(str(request.window), request.attempt) for request in self.sent]

    def days(self) -> list[str]:
        return [str(known.status) for known in self.shell.state.stages[0].days.values()]

    # ---- lives and pods

    async def replaced(self, *, name: str | None = None) -> Pod:
        pod = self.cluster.add_pod()
        if name is not None:
            del self.cluster.pods[pod.name]
            pod.name = name
            self.cluster.pods[name] = pod
        self.cluster.start(pod, pod.containers)
        return pod


def window(first: int, last: int) -> Window:
    return Window.of_days(date(2023, 1, first), date(2023, 1, last))


Story = Callable[[Repaired], Coroutine[Any, Any, None]]


async def restart(world: Repaired) -> None:
    world.cluster.restart(world.pod, OOM)


async def replacement(world: Repaired) -> None:
    world.cluster.delete_pod(world.pod)
    world.pod = await world.replaced()


async def rolling_update(world: Repaired) -> None:
    """Two pods are alive; the old one goes on writing, and what it writes does not count once it is left."""
    old, life = world.pod, world.life
    world.cluster.roll_out()
    world.pod = await world.replaced()
    await asyncio.sleep(SEEN)
    assert world.asked == [(str(window(1, 4)), 1)]
    world.finish(DAYS[3], life)  # followed as long as it lasts, so this is proven
    await asyncio.sleep(SEEN)
    assert world.days()[3] == DayStatus.DONE
    world.cluster.delete_pod(old)


async def same_name(world: Repaired) -> None:
    """As a StatefulSet's pod: only the UID says that it is another."""
    name = world.pod.name
    world.cluster.delete_pod(world.pod)
    world.pod = await world.replaced(name=name)


async def scaled_to_nothing(world: Repaired) -> None:
    world.cluster.scale(0)
    await asyncio.sleep(HOUR)
    assert world.asked == [(str(window(1, 4)), 1)]
    world.cluster.scale(1)
    world.pod = world.cluster.pod
    world.cluster.start(world.pod, world.pod.containers)


async def crash_loop(world: Repaired) -> None:
    """Dead, and waited for: the log of the dead container comes again with every request, and counts once."""
    world.cluster.die(world.pod, Death("Error", 1))
    world.cluster.back_off(world.pod)
    await asyncio.sleep(300)
    assert world.asked == [(str(window(1, 4)), 1)]
    world.cluster.start(world.pod)


STORIES: list[tuple[Story, Window]] = [
    (restart, window(2, 4)),
    (replacement, window(2, 4)),
    (rolling_update, window(2, 3)),
    (same_name, window(2, 4)),
    (scaled_to_nothing, window(2, 4)),
    (crash_loop, window(2, 4)),
]


@pytest.mark.parametrize(("story", "missing"), STORIES, ids=[story.__name__ for story, _ in STORIES])
def test_what_was_not_proven_is_asked_for_again_when_the_next_container_is_ready(story: Story, missing: Window) -> None:
    async def main(_: VirtualLoop) -> None:
        world = Repaired()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(world.daemon().run())
            await asyncio.sleep(SEEN)
            assert world.asked == [(str(window(1, 4)), 1)]
            world.begin(window(1, 4))
            world.finish(DAYS[0])
            await asyncio.sleep(SEEN)
            assert world.days() == [DayStatus.DONE, *[DayStatus.REQUESTED] * 3]

            await story(world)
            for day in DAYS:  # as a start that loads its stores prints them
                world.finish(day)
            await asyncio.sleep(600)
            assert world.asked == [(str(window(1, 4)), 1)]  # it runs, and is not ready
            assert DayStatus.PENDING in world.days()
            world.cluster.set_ready(world.pod)
            await asyncio.sleep(SEEN)
            assert world.asked[1:] == [(str(missing), 2)]

            world.begin(missing)
            for day in missing.days():
                world.finish(day)
            await asyncio.sleep(SEEN)
            assert world.shell.state.status is RunStatus.DONE
            assert set(world.days()) == {DayStatus.DONE}
            assert len(world.sent) == 2
            running.cancel()

    run(main)


def test_a_pod_that_goes_away_and_has_no_log_any_more_is_given_up_for_one_that_runs() -> None:
    """It is shown as running and as going away, its log is an error in a good answer, and nobody lets it go."""

    async def main(_: VirtualLoop) -> None:
        world = Repaired()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(world.daemon().run())
            await asyncio.sleep(SEEN)
            world.begin(window(1, 4))
            await asyncio.sleep(SEEN)
            world.pod.deleted_at = world.cluster.now()
            world.life.collected = True
            world.api.break_streams()
            world.pod = await world.replaced()
            world.cluster.set_ready(world.pod)
            await asyncio.sleep(600)
            assert world.asked[1:] == [(str(window(1, 4)), 2)]
            assert world.shell.state.log.gaps != ()
            running.cancel()

    run(main)


def test_killed_for_its_memory_again_and_again_the_run_holds_and_says_so() -> None:
    async def main(_loop: VirtualLoop) -> None:
        world = Repaired()
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(world.daemon().run())
            for _ in range(world.plan.max_attempts):
                await asyncio.sleep(SEEN)
                world.begin(window(1, 4))
                await asyncio.sleep(SEEN)
                world.cluster.restart(world.pod, OOM)
                world.cluster.set_ready(world.pod)
            await asyncio.sleep(HOUR)
            assert [attempt for _, attempt in world.asked] == [1, 2, 3]
            assert world.shell.state.status is RunStatus.HELD
            reason = world.shell.state.reason or ""
            assert "OOMKilled" in reason
            assert "memory limit 2Gi" in reason
            running.cancel()

    run(main)
