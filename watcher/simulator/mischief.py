"""What happens to the simulated node and container by itself, at times drawn from the seed, until it gets calm."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

from watcher.simulator.kubecost import Kubecost
from watcher.simulator.line_book import LineBook, WitnessedCluster
from watcher.simulator.objects import COST_MODEL, Container, Death
from watcher.simulator.weather import Weather

FILLING: Final = 45.0  # seconds from a file's first line to its rotation, at least: it has to become big
MINUTE: Final = 60.0
DEATHS: Final = (Death("Error", 2), Death("OOMKilled", 137), Death("Completed", 0))
LAST_WORDS: Final = b"fatal error: out of mem"


class NodeClock:
    """The clock of the node, in nanoseconds: it may be coarse, run back a little, and be set by some seconds."""

    def __init__(self, begin: int, weather: Weather, rng: Random, reach: tuple[float, float]) -> None:
        self._begin = begin
        self._weather = weather
        self._rng = rng
        self._reach = reach
        self.ahead = 0.0

    def __call__(self) -> int:
        """Nanoseconds since 1970."""
        now = self._begin + int((asyncio.get_running_loop().time() + self.ahead) * 1e9)
        if self._weather.disorder:
            now -= self._rng.randrange(self._weather.disorder)
        return now - now % self._weather.tick

    def step(self) -> None:
        """Somebody sets it."""
        self.ahead = self._rng.uniform(*self._reach)


class MischievousCluster(WitnessedCluster):
    """A cluster in which a dying container may end in the middle of a line."""

    last_words: Callable[[], bool] = staticmethod(lambda: False)

    def _end(self, container: Container, death: Death) -> None:
        life = container.life
        if container.name == COST_MODEL and life is not None and life.death is None and self.last_words():
            life.log.write(LAST_WORDS, newline=False)
        super()._end(container, death)


class Mischief:
    """Does it. ``note`` is told everything."""

    def __init__(
        self,
        cluster: WitnessedCluster,
        kubecost: Kubecost,
        clock: NodeClock,
        book: LineBook,
        weather: Weather,
        rng: Random,
        note: Callable[[str], None],
    ) -> None:
        self._cluster = cluster
        self._kubecost = kubecost
        self._clock = clock
        self._book = book
        self._weather = weather
        self._rng = rng
        self._note = note

    async def run(self) -> None:
        """Until it gets calm."""
        weather = self._weather
        async with asyncio.TaskGroup() as tasks:
            for rate, deed in (
                (weather.rotation, self._rotate),
                (weather.clock_step, self._step_clock),
                (weather.death, self._kill),
                (weather.replacement, self._replace),
                (weather.collapse, self._collapse),
            ):
                if rate:
                    tasks.create_task(self._now_and_then(rate, deed))

    async def _now_and_then(self, per_minute: float, deed: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._rng.expovariate(per_minute / MINUTE))
            if self._weather.is_calm(loop.time()):
                return
            await deed()

    async def _rotate(self, *, stuck: bool | None = None) -> None:
        pods = [pod for pod in self._cluster.own_pods() if pod.cost_model.life is not None]
        life = self._rng.choice(pods).cost_model.life if pods else None
        if life is not None and self._book.has_lasted(life, FILLING, asyncio.get_running_loop().time()):
            stuck = self._rng.random() < self._weather.stuck if stuck is None else stuck
            self._note(f"log of {life.container_id[-8:]} rotated{', followers stay behind' if stuck else ''}")
            self._book.rotate(life)
            life.log.rotate(followers_stuck=stuck)

    async def _step_clock(self) -> None:
        self._clock.step()
        self._note(f"the node's clock is set to {self._clock.ahead:+.1f} s")

    async def _kill(self) -> None:
        death = self._rng.choice(DEATHS)
        self._note(f"the container dies: {death.reason}")
        if death.reason == "Error":
            self._kubecost.panic()
        self._kubecost.crash(death)

    async def _replace(self) -> None:
        rollout = self._rng.random() < 0.5
        self._note("rollout" if rollout else "the pod is evicted")
        self._kubecost.replace_pod(rollout=rollout)

    async def _collapse(self) -> None:
        """A node under pressure: each of these makes the next one hard to read."""
        for deed, longest in ((self._rotate_stuck, 12.0), (self._kill, 12.0), (self._replace, 0.0)):
            if self._weather.is_calm(asyncio.get_running_loop().time()):
                return
            await deed()
            await asyncio.sleep(self._rng.uniform(0.0, longest))

    async def _rotate_stuck(self) -> None:
        await self._rotate(stuck=True)
