"""The simulated Kubecost over all its lives: it dies, is started again, moves to another pod."""

from __future__ import annotations

import asyncio

from watcher.core.window import Window
from watcher.simulator import phrases
from watcher.simulator.envelopes import Level, wrap
from watcher.simulator.installation import Installation
from watcher.simulator.ledger import Repair
from watcher.simulator.objects import Death, Life, Pod
from watcher.simulator.process import Fate, PodReplaced, Process, World

PATIENT_RESTARTS = 1
"""The first restart is immediate; before later ones the kubelet backs off."""


class Kubecost:
    """Runs one process after the other, each in a new life of the container."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        self._process: Process | None = None
        self._fates: asyncio.Queue[Fate] = asyncio.Queue()
        self._ready = asyncio.Event()

    @property
    def ready(self) -> bool:
        """True while requests reach a process that can take them."""
        return self._ready.is_set()

    async def until_ready(self) -> None:
        """Wait for a process that takes requests."""
        await self._ready.wait()

    @property
    def life(self) -> str:
        """The id of the container that is there now; empty where none is."""
        return self._process.life.container_id if self._process is not None else ""

    def take(self, stage: str, window: Window, request: int, providers: tuple[str, ...] = ()) -> Repair:
        """Take on a repair that was requested; ConnectionError while no process is ready."""
        return self._running().submit(stage, window, request, providers)

    def repair_by_hand(self, stage: str, window: Window) -> Repair:
        """A repair that somebody else starts; ConnectionError while no process is ready."""
        return self._running().submit(stage, window, None)

    def log_late(self, window: Window, stamp: int) -> None:
        """Log now what an ordinary reconciliation of these days said at ``stamp`` (nanoseconds since 1970)."""
        process, one = self._running(), self.installation
        for day in window.days():
            for key in one.scenario.providers:
                said = phrases.reconciled(key, one.identity(), Window.of_days(day, day))
                process.life.log.write(wrap(one.scenario.envelope, stamp, Level.INFO, said), stamp=stamp)

    def _running(self) -> Process:
        if self._process is None or not self.ready:
            msg = "no process takes requests now"
            raise ConnectionError(msg)
        return self._process

    def crash(self, death: Death) -> None:
        """Let the container die soon; it is started again."""
        self._fates.put_nowait(death)

    def panic(self) -> None:
        """Say what a Go program says at its end; nothing where none runs."""
        if self._process is not None:
            self._process.panic()

    def replace_pod(self, *, rollout: bool = False) -> None:
        """Let the pod be deleted soon; another takes its place, in a ``rollout`` a little before."""
        self._fates.put_nowait(PodReplaced(rollout))

    async def run(self) -> None:
        """Live until cancelled."""
        cluster = self.installation.cluster
        pod = cluster.add_pod()
        cluster.start(pod, reversed(pod.containers))
        while True:
            life = pod.cost_model.life
            if life is None:  # start() gave it one
                raise AssertionError
            fate = await self._live(pod, life)
            self._process = None
            self.installation.ledger.lose()
            pod = await self._go_on(pod, fate)

    async def _live(self, pod: Pod, life: Life) -> Fate:
        """One process, until it meets its fate. What goes wrong inside it is raised here."""
        self._process = Process(self.installation, pod, life, World(self._ready.set, self._fates.put_nowait))
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(self._process.run())
            fate = await self._fates.get()
            self._ready.clear()
            work.cancel()
        return fate

    async def _go_on(self, pod: Pod, fate: Fate) -> Pod:
        """The pod in which the next process lives."""
        cluster, pace = self.installation.cluster, self.installation.pace
        match fate:
            case Death():
                cluster.die(pod, fate)
                if len(pod.cost_model.lives) > PATIENT_RESTARTS:
                    await asyncio.sleep(pace.restart / 2)
                    cluster.back_off(pod)
                await asyncio.sleep(pace.restart)
                cluster.start(pod)
            case PodReplaced(rollout=True):
                old, _ = pod, cluster.roll_out()
                pod = cluster.add_pod()
                cluster.start(pod, reversed(pod.containers))
                await asyncio.sleep(pace.restart)
                cluster.delete_pod(old)
            case PodReplaced():
                cluster.delete_pod(pod)
                pod = cluster.add_pod()
                await asyncio.sleep(pace.restart)
                cluster.start(pod, reversed(pod.containers))
        return pod
