"""One life of the daemon, as it really is: the real shell, source, matcher and state file, on simulated edges.

It may end between any two awaits: from then on nothing that it does leaves the machine, and nothing that it had not
saved is left.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random

from watcher.cluster import KubernetesSource, Rhythm
from watcher.core.commands import Notify, Record, Request
from watcher.core.events import Event, LogRead, NotificationFailed, NotificationSent
from watcher.core.plan import Plan
from watcher.core.state import State
from watcher.daemon import Daemon, Edges
from watcher.errors import WatcherError
from watcher.matcher import Matcher
from watcher.simulator.door import Door
from watcher.simulator.law import Law
from watcher.simulator.laws import Laws
from watcher.simulator.network import Network
from watcher.simulator.objects import COST_MODEL
from watcher.simulator.slow_disk import SlowDisk
from watcher.simulator.trace import Trace, tell_command, tell_event
from watcher.simulator.virtual import VirtualLoop
from watcher.simulator.weather import Weather
from watcher.simulator.wire import WireApi
from watcher.sources import Emit, LinesRead, SourceEvent
from watcher.store import Store

MOST_AWAITS = 40
"""A crash that is to hit a save or a request comes at most so many steps of the loop after it began."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything around the daemon's machine."""

    loop: VirtualLoop
    plan: Plan
    matcher: Matcher
    rhythm: Rhythm
    clock: Callable[[], datetime]
    network: Network
    door: Door
    weather: Weather
    laws: Laws
    trace: Trace | None
    rng: Random

    def note(self, kind: str, text: str) -> None:
        """Write a line of the story."""
        if self.trace is not None:
            self.trace.note(kind, text)


class Machine:
    """The daemon from a start to its end. ``once``: it ends by itself when the run rests."""

    def __init__(self, around: Surroundings, store: Store, state: State, cursor: str | None, *, once: bool) -> None:
        self._around = around
        self._laws = around.laws
        self.api = WireApi(around.network, around.rhythm)
        self._source = KubernetesSource(
            namespace=around.network.cluster.namespace,
            deployment=around.network.cluster.deployment,
            container=COST_MODEL,
            clock=around.clock,
            rhythm=around.rhythm,
            jitter=around.rng.random,
            api=self.api,
        )
        self._disk = SlowDisk(store, around.weather, around.rng, self._kept, self._fault)
        self._task: asyncio.Task[str] | None = None
        self._dead = False
        self._doom: tuple[str, int, int] | None = None
        edges = Edges(self, self, self._save, self._send, self._tell, around.clock)
        self.daemon = Daemon(state, cursor, around.plan, edges, once=once)
        self.started = around.loop.time()

    # ---- life and death ---------------------------------------------------------------------------------------------

    async def live(self, world: asyncio.TaskGroup) -> str:
        """Run until it ends; how it ended: a code, ``killed``, or the error of an operator's sort."""
        self._choose_doom()
        self._task = world.create_task(self._run(), name="the daemon")
        try:
            return await self._task
        except asyncio.CancelledError:
            if not self._dead:
                raise
            return "killed"
        finally:
            self._dead = True
            self._laws.died()

    async def _run(self) -> str:
        try:
            return str(await self.daemon.run())
        except WatcherError as error:
            return f"{type(error).__name__}: {error}"
        except Exception as error:  # noqa: BLE001  a bug of the daemon is a finding, not our end
            if not self._dead:
                self._laws.fail(Law.NO_BUG, _innermost(error))
            return f"bug: {error}"

    def kill(self) -> None:
        """The machine loses its power now."""
        if self._task is None or self._task.done():
            return
        self._fault("the daemon is killed")
        self._dead = self._disk.pulled_out = True
        self._task.cancel()

    def _choose_doom(self) -> None:
        rng, weather = self._around.rng, self._around.weather
        if weather.is_calm(self.started) or rng.random() >= weather.crash:
            return
        kind = rng.choice(("time", "save", "request", "message", "order"))
        if kind == "order":  # in good order, as by SIGTERM
            self._around.loop.call_later(rng.expovariate(1 / 200), self.daemon.stop)
            return
        if kind == "time":
            self._around.loop.after_steps(int(rng.expovariate(1 / 4000)), self.kill)
            return
        self._doom = kind, rng.randint(1, 30 if kind == "save" else 3), rng.randint(1, MOST_AWAITS)

    def _come_nearer(self, kind: str) -> None:
        """A moment of this kind: the machine may die a few steps after it."""
        if self._doom is None or self._doom[0] != kind:
            return
        _, left, steps = self._doom
        self._doom = (kind, left - 1, steps) if left > 1 else None
        if self._doom is None:
            self._around.loop.after_steps(steps, self.kill)

    def _fault(self, text: str) -> None:
        self._around.note("fault", text)

    def _check_power(self) -> None:
        if self._dead:
            raise asyncio.CancelledError

    # ---- the edges --------------------------------------------------------------------------------------------------

    async def follow(self, emit: Emit, cursor: str | None) -> None:
        """The source, overheard."""

        async def overheard(event: SourceEvent) -> None:
            self._check_power()
            await emit(event)
            self._around.note("source", tell_event(event))
            self._laws.emitted(event)

        await self._source.follow(overheard, cursor)

    async def confirm(self) -> None:
        """The source, asked for a look."""
        await self._source.confirm()

    def read_lines(self, read: LinesRead) -> LogRead:
        """The matcher, overheard."""
        self._laws.read()
        found = self._around.matcher.read_lines(read)
        if found.facts:
            self._around.note("facts", tell_event(found))
        return found

    async def _save(self, state: State, cursor: str | None, records: tuple[Record, ...]) -> None:
        self._check_power()
        self._come_nearer("save")
        await self._disk.save(state, cursor, records)

    def _kept(self, state: State, cursor: str | None, records: tuple[Record, ...]) -> None:
        for record in records:
            self._around.note("journal", tell_command(record))
        self._laws.kept(state, cursor, records)

    async def _send(self, request: Request) -> Event:
        self._check_power()
        self._around.note("command", tell_command(request))
        self._laws.requests.sent(request, self._laws.saved)
        self._come_nearer("request")
        event = await self._around.door.send(request)
        self._around.note("answer", tell_event(event))
        self._laws.requests.answered(request.request)
        return event

    async def _tell(self, notify: Notify) -> Event:
        self._check_power()
        around = self._around
        around.note("command", tell_command(notify))
        self._laws.tells(notify)
        self._come_nearer("message")
        await asyncio.sleep(around.rng.uniform(0.05, 2.0))
        in_vain = not around.weather.is_calm(around.loop.time()) and around.rng.random() < around.weather.told_in_vain
        if not in_vain or around.rng.random() < 0.3:
            self._laws.delivered(notify)
        if in_vain:
            return NotificationFailed(notify.message, notify.destination, "503 Service Unavailable")
        return NotificationSent(notify.message, notify.destination)


def _innermost(error: BaseException) -> str:
    """What really went wrong, and where."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{where}"
