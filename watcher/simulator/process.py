"""One life of the simulated cost-model process: its queues and everything it says die with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date

from watcher.core.window import ONE_DAY, Window
from watcher.simulator.background import background
from watcher.simulator.envelopes import Level, wrap
from watcher.simulator.installation import Installation
from watcher.simulator.ledger import Outcome, Repair
from watcher.simulator.objects import Death, Life, Pod
from watcher.simulator.pipelines import PIPELINES
from watcher.simulator.startup import load_stores, start_up
from watcher.simulator.troubles import Dies, Foreign, Replaced, Rereads, Silent, Slow, Stalled


@dataclass(frozen=True, slots=True)
class PodReplaced:
    """The other way for a process to end: its pod goes, another comes, in a ``rollout`` before it goes."""

    rollout: bool = False


Fate = Death | PodReplaced


@dataclass(frozen=True, slots=True)
class World:
    """What a process tells the one who runs it: that it takes requests now, and what its end shall be."""

    is_ready: Callable[[], None]
    meet: Callable[[Fate], None]


class Process:
    """Says what Kubecost says, and works its queues: one per pipeline, in each one repair after the other."""

    def __init__(self, installation: Installation, pod: Pod, life: Life, world: World) -> None:
        self.installation = installation
        self.pod = pod
        self.life = life
        self.run_ids = {kind: installation.identity() for kind in ("Asset", "Allocation")}
        self._world = world
        self._queues: dict[str, asyncio.Queue[Repair]] = {stage: asyncio.Queue() for stage in PIPELINES}

    async def run(self) -> None:
        """Start up, become ready, then work until cancelled."""
        await start_up(self)
        self.installation.cluster.set_ready(self.pod)
        self._world.is_ready()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(background(self))
            for stage, queue in self._queues.items():
                tasks.create_task(self._work(queue, PIPELINES[stage]))

    async def _work(self, queue: asyncio.Queue[Repair], pipeline: Callable[[Process, Repair], Awaitable[None]]) -> None:
        while True:
            repair = await queue.get()
            for kind in ("Asset", "Allocation"):
                if Rereads(repair.stage) in self.installation.scenario.troubles and kind.lower() == repair.stage:
                    load_stores(self, (kind,))
            await asyncio.sleep(self.installation.pace.accept)
            await pipeline(self, repair)

    # ---- what others do to it ---------------------------------------------------------------------------------------

    def submit(self, stage: str, window: Window, request: int | None, providers: tuple[str, ...] = ()) -> Repair:
        """Take on a repair; ``request`` None: somebody else's."""
        one = self.installation
        repair = Repair(stage, window, request, self.life.container_id, providers or one.scenario.providers)
        one.ledger.repairs.append(repair)
        silent = request is not None and Silent(stage) in one.scenario.troubles
        if not silent:
            self._queues[stage].put_nowait(repair)
        return repair

    # ---- what it does -----------------------------------------------------------------------------------------------

    def say(self, level: Level, message: str) -> None:
        """One line in the envelope of this installation."""
        one = self.installation
        stamp = one.cluster.clock()
        self.life.log.write(wrap(one.scenario.envelope, stamp, level, message))

    def info(self, message: str) -> None:
        """One line of level info."""
        self.say(Level.INFO, message)

    def raw(self, line: bytes) -> None:
        """One line without any envelope: the runtime's, a library's, a countdown."""
        self.life.log.write(line)

    async def work_on(self, repair: Repair, day: date) -> None:
        """Spend the time that this day takes; what the scenario has in store for it happens in the middle."""
        one = self.installation
        seconds = one.pace.day
        for trouble in one.scenario.troubles if repair.request is not None else ():
            match trouble:
                case Slow(repair.stage, at) if one.is_day(at, day):
                    seconds = one.pace.slow_day
                case Stalled(repair.stage, at) if one.is_day(at, day):
                    await asyncio.Event().wait()
                case Foreign(repair.stage, at, of, before) if one.is_day(at, day) and not one.happened[trouble]:
                    one.happened[trouble] += 1
                    start = one.window.start - before * ONE_DAY
                    self.submit(of, Window(start, start + 2 * ONE_DAY), None)
                case Dies(repair.stage, at, times) if one.is_day(at, day) and one.happened[trouble] < times:
                    one.happened[trouble] += 1
                    await self._end(Death(trouble.reason, trouble.exit_code))
                case Replaced(repair.stage, at, rollout) if one.is_day(at, day) and not one.happened[trouble]:
                    one.happened[trouble] += 1
                    await self._end(PodReplaced(rollout))
        await asyncio.sleep(seconds)

    async def _end(self, fate: Fate) -> None:
        """Die: nothing after this line is done."""
        await asyncio.sleep(self.installation.pace.dying)
        if isinstance(fate, Death) and fate.reason == "Error":
            self.panic()
        self._world.meet(fate)
        await asyncio.Event().wait()

    def panic(self) -> None:
        """The end of a Go program."""
        for line in STACK:
            self.raw(line)

    def finish(self, repair: Repair, day: date, outcome: Outcome) -> None:
        """The truth about a day, noted before any line tells it."""
        if day in repair.days:
            repair.days[day] = outcome


STACK = (
    b"panic: runtime error: invalid memory address or nil pointer dereference",
    b"[signal SIGSEGV: segmentation violation code=0x1 addr=0x18 pc=0x1f2c3a4]",
    b"",
    b"goroutine 4711 [running]:",
    b"github.com/kubecost/kubecost-cost-model/pkg/etl.(*AssetStore).compute(0xc000b2e000, {0x347c9c7?, 0x30?})",
    b"\t/app/kubecost-cost-model/pkg/etl/asset.go:412 +0x1d5",
    b"created by github.com/kubecost/kubecost-cost-model/pkg/etl.(*ETLStore).Repair",
    b"\t/app/kubecost-cost-model/pkg/etl/store.go:233 +0x9a",
)
"""The end of a Go program that panics."""
