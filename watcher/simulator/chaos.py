"""A simulation of the whole daemon in virtual time: one seed is one run, with everything that goes wrong in it.

The daemon is the real one: core, shell, follower, matcher, state file. Around it are the simulated cluster and
Kubecost, and faults at every edge. Nothing here waits, nothing is left to chance: the same seed gives the same run,
step by step.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

from watcher.core.events import OperatorAsked
from watcher.core.moves import ENDED_RUN, RunStatus
from watcher.core.state import HoldKind, State
from watcher.matcher import Matcher
from watcher.preflight import identity
from watcher.simulator.door import Door
from watcher.simulator.installation import Disk, Installation
from watcher.simulator.kubecost import Kubecost
from watcher.simulator.law import Breach, Law
from watcher.simulator.laws import Laws
from watcher.simulator.ledger import Ledger
from watcher.simulator.line_book import LineBook
from watcher.simulator.machine import Machine, Surroundings
from watcher.simulator.mischief import Mischief, MischievousCluster, NodeClock
from watcher.simulator.network import Network
from watcher.simulator.person import Person
from watcher.simulator.settings import Settings, draw_settings
from watcher.simulator.trace import Trace
from watcher.simulator.virtual import Stuck, VirtualLoop, run
from watcher.simulator.weather import Sky, Weather, describe, draw_weather
from watcher.store import Store

LONGEST: Final = 4 * 3600.0  # seconds of virtual time; a run that is not over then never will be
MOST_STEPS: Final = 3_000_000
REST: Final = 60.0  # seconds for which the daemon is watched after the run has come to rest
HEARING: Final = 160.0  # seconds within which every watchdog has had its turn, in calm weather
STOPPING: Final = 90.0  # seconds that an orderly end may take, a full disk included
HELD_AGAIN: Final = 2  # times that a run which holds for silence is started again
MATCH_SECONDS: Final = 60.0  # for one pattern on one line: a slow computer must not change the run


@dataclass(frozen=True, slots=True)
class Report:
    """What came of one seed. ``seconds`` and ``steps``: virtual time and steps of the loop; ``lives``: the daemon's."""

    seed: int
    status: str
    reason: str | None
    breaches: tuple[Breach, ...]
    seconds: float
    steps: int
    lives: int
    requests: int
    digest: str | None


def simulate(seed: int, days: int | None = None, tell: Callable[[str], None] | None = None) -> Report:
    """Run one seed; ``tell`` is given every line of its story, and turns the digest on."""
    trace = Trace(tell) if tell is not None else None
    settings = draw_settings(Random(f"{seed}/settings"), days)
    weather = draw_weather(Random(f"{seed}/weather"))
    shm = Path("/dev/shm")  # noqa: S108  a folder of our own is made in it
    with tempfile.TemporaryDirectory(prefix="watcher-", dir=shm if shm.is_dir() else None) as folder:
        chaos = Chaos(seed, settings, weather, Path(folder) / "watcher.db", trace)
        collecting = gc.isenabled()
        gc.disable()  # a run is short, and collecting in the midst of it costs a fifth of the time
        logging.disable()  # the story tells more
        try:
            run(chaos.run, MOST_STEPS)
        except Stuck as stuck:
            chaos.laws.fail(Law.ENDS_WITH_A_REASON, str(stuck))
        finally:
            chaos.store.close()
            logging.disable(logging.NOTSET)
            if collecting:
                gc.enable()
    return chaos.report()


class Chaos:
    """One run and its surroundings."""

    def __init__(self, seed: int, settings: Settings, weather: Weather, path: Path, trace: Trace | None) -> None:
        self.seed = seed
        self.settings = settings
        self.weather = weather
        self.trace = trace
        self.store = Store(path)
        self.lives = 0
        self._path = path
        self._at_rest = False
        self._held_again = 0
        self._loop: VirtualLoop | None = None
        self._machine: Machine | None = None
        window, dialect = settings.plan.window, settings.dialect
        self.clock_of_node = NodeClock(
            int(settings.begin.timestamp()) * 10**9, weather, self._rng("stamps"), settings.reach
        )
        self.book = LineBook(timedelta(seconds=25 if weather.clock_step else 3))
        rng = self._rng("kubecost")
        self.cluster = MischievousCluster(self.book, self.seconds, rng=rng, clock=self.clock_of_node)
        words = self._rng("last words")
        self.cluster.last_words = lambda: words.random() < weather.last_words
        self.ledger = Ledger(dialect.stages, window)
        self.kubecost = Kubecost(
            Installation(
                self.cluster,
                dialect,
                settings.scenario,
                window,
                settings.pace,
                rng,
                self.ledger,
                Disk(rng),
                hourly_hours=settings.hourly_hours,
            )
        )
        self.laws = Laws(settings.plan, self.ledger, self.book, self.seconds, settings.begin)
        if trace is not None:
            trace.seconds = self.seconds

    def seconds(self) -> float:
        """True time since the beginning."""
        return self._loop.time() if self._loop is not None else 0.0

    def now(self) -> datetime:
        """The daemon's clock."""
        return self.settings.begin + timedelta(seconds=self.seconds())

    def note(self, kind: str, text: str) -> None:
        """Write a line of the story."""
        if self.trace is not None:
            self.trace.note(kind, text)

    def _rng(self, name: str) -> Random:
        """A stream of chance of its own, so that a draw more here changes nothing there."""
        return Random(f"{self.seed}/{name}")

    # ---- the run ----------------------------------------------------------------------------------------------------

    async def run(self, loop: VirtualLoop) -> None:
        """From the beginning until the run has ended, or holds and nobody will end that."""
        self._loop = loop
        self.note("seed", f"{self.seed}: {self.settings.scenario.profile} {self.settings.plan.window}")
        self.note("seed", f"troubles: {self.settings.scenario.troubles}; weather: {describe(self.weather)}")
        async with asyncio.TaskGroup() as world:
            network = Network(self.cluster, self.weather, self._rng("network"), lambda text: self.note("fault", text))
            around = Surroundings(
                loop,
                self.settings.plan,
                Matcher(self.settings.profile, MATCH_SECONDS),
                self.settings.rhythm,
                self.now,
                network,
                self._door(world),
                self.weather,
                self.laws,
                self.trace,
                self._rng("machine"),
            )
            mischief = Mischief(
                self.cluster,
                self.kubecost,
                self.clock_of_node,
                self.book,
                self.weather,
                self._rng("mischief"),
                lambda text: self.note("fault", text),
            )
            tasks = [
                world.create_task(work)
                for work in (self.kubecost.run(), network.remember(), mischief.run(), self._break_streams())
            ]
            await self._drive(around, world)
            for task in tasks:
                task.cancel()

    def _door(self, world: asyncio.TaskGroup) -> Door:
        return Door(
            self.kubecost,
            {stage.name: stage.answers for stage in self.settings.profile.stages},
            self.weather,
            self._rng("door"),
            world=world,
            arrived=self.laws.requests.arrived,
            asked_at=self.laws.asked_at,
            note=lambda text: self.note("fault", text),
        )

    async def _break_streams(self) -> None:
        for start, _, sky in self.weather.skies:
            await asyncio.sleep(start - self.seconds())
            self.note("sky", sky)
            if sky is Sky.DOWN and self._machine is not None:
                self._machine.api.break_streams()

    # ---- the daemon's lives -----------------------------------------------------------------------------------------

    async def _drive(self, around: Surroundings, world: asyncio.TaskGroup) -> None:
        """One life of the daemon after the other, each from what the one before had saved."""
        rng = self._rng("lives")
        person = Person(
            self._rng("person"),
            self.settings.moves,
            lambda text: self.note("person", text),
            self.laws.requests.is_at_work,
        )
        state, cursor = State.begin(self.settings.plan), None
        self.store.open().begin(identity(self.settings.plan), state)
        await asyncio.sleep(rng.uniform(0.0, 20.0))
        while True:
            self.lives += 1
            self._machine = machine = Machine(around, self.store, state, cursor, once=self.settings.once)
            others = [
                world.create_task(work)
                for work in (person.look_after(machine, self._steered), self._watch(machine, person))
            ]
            ended = await machine.live(world)
            for task in others:
                task.cancel()
            self.note("life", f"{self.lives} ended: {ended}")
            self.store.close()
            if self._is_over(ended):
                self.laws.ended(self._heard_until(machine))
                return
            await asyncio.sleep(rng.uniform(0.5, 40.0))
            self.store = Store(self._path).open()
            saved = self.store.load()
            if saved is None:
                self.laws.fail(Law.NO_BUG, "the state file is empty")
                return
            state, cursor = saved.state, saved.cursor

    def _steered(self, move: OperatorAsked) -> None:
        self.laws.steered(move.move, move.stage, move.day)

    async def _watch(self, machine: Machine, person: Person) -> None:
        """Stop the daemon when the run has rested for long enough, or cannot be saved any more."""
        rests_since: float | None = None
        while True:
            await asyncio.sleep(5.0)
            now = self.seconds()
            if self.laws.breaches or now > LONGEST:
                machine.kill()
                return
            state = machine.daemon.state
            if state.status not in ENDED_RUN | {RunStatus.HELD}:
                rests_since = None
                continue
            rests_since = now if rests_since is None else rests_since
            heard = max(machine.started, self.weather.calm_at) + HEARING
            if now >= max(rests_since + REST, heard) and not (person.is_there and person.would_move(state)):
                self._at_rest = True
                machine.daemon.stop()
                await asyncio.sleep(STOPPING)
                self.laws.fail(Law.STOPS_WHEN_TOLD, f"the daemon still runs {STOPPING:g} s after it was told to stop")
                machine.kill()
                return

    def _is_over(self, ended: str) -> bool:
        if self.laws.breaches or self._at_rest or self.seconds() > LONGEST:
            return True
        state = self.laws.saved
        if not ended.isdecimal() or not self.settings.once:
            return False  # it was killed, told to stop, or could not save
        if state.status is RunStatus.HELD and state.hold is not None and state.hold.kind is not HoldKind.DECISION:
            self._held_again += 1
            return self._held_again > HELD_AGAIN
        return state.status in ENDED_RUN | {RunStatus.HELD}

    def _heard_until(self, machine: Machine) -> float | None:
        """What was logged until then must have been heard: it was calm, and the last life had time enough."""
        until = self.seconds() - HEARING + 10.0
        return until if until > max(machine.started, self.weather.calm_at) else None

    def report(self) -> Report:
        """What came of it."""
        saved = self.laws.saved
        if self.trace is not None:
            for breach in self.laws.breaches:
                self.trace.note("BREACH", str(breach))
            self.trace.note("end", f"{saved.status}: {saved.reason}")
        return Report(
            self.seed,
            saved.status,
            saved.reason,
            tuple(self.laws.breaches),
            self.seconds(),
            self._loop.steps if self._loop is not None else 0,
            self.lives,
            sum(stage.requests for stage in saved.stages),
            self.trace.digest if self.trace is not None else None,
        )
