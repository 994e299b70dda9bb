"""A daemon that follows a simulated cluster in virtual time: the real shell, core and follower, no sockets."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from watcher.cluster import KubernetesSource, Rhythm
from watcher.cluster.api import LogStream, Query
from watcher.core.commands import Notify, Record, Request
from watcher.core.events import Event, LogRead, NotificationSent, RequestAccepted
from watcher.core.plan import Destination, Evidence, Patience, Plan, StagePlan, StageRules
from watcher.core.state import State
from watcher.core.window import Window
from watcher.daemon import Daemon, Edges, Save
from watcher.face import health
from watcher.pulse import Pulses
from watcher.simulator.cluster import Cluster
from watcher.simulator.network import Network
from watcher.simulator.objects import COST_MODEL, Life
from watcher.simulator.weather import Weather
from watcher.simulator.wire import WireApi
from watcher.sources import LinesRead

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
PATIENCE = Patience(timedelta(minutes=10), timedelta(days=9), timedelta(minutes=5))
PLAN = Plan(
    "run",
    "profile",
    Window.of_days(date(2023, 1, 1), date(2023, 1, 2)),
    (StagePlan(StageRules("asset", prints_start=True, least=Evidence.WINDOW_DONE), PATIENCE),),
    destinations=(Destination("slack", frozenset({"run_started", "run_done", "held", "unclear"})),),
)


def clock() -> datetime:
    """The time of the test's loop as a date."""
    return BEGIN + timedelta(seconds=asyncio.get_running_loop().time())


class CountingApi(WireApi):
    """Counts what it is asked."""

    asked = 0
    follows = 0

    async def get(self, path: str, query: Query = ()) -> dict[str, Any]:
        self.asked += 1
        return await super().get(path, query)

    async def log(self, namespace: str, pod: str, query: Query) -> LogStream:
        self.asked += 1
        self.follows += ("follow", "true") in query
        return await super().log(namespace, pod, query)


@dataclass
class VirtualCluster:
    """One pod that runs and logs what the test lets it, and all that a daemon needs to follow it."""

    weather: Weather = field(default_factory=Weather)
    rhythm: Rhythm = field(default_factory=Rhythm)
    plan: Plan = PLAN
    lines: list[bytes] = field(default_factory=list)
    sent: list[Request] = field(default_factory=list)
    answers_hang: bool = False
    messages_hang: bool = False
    slow_reading: float = 0.0

    def __post_init__(self) -> None:
        begin = int(BEGIN.timestamp()) * 10**9
        loop = asyncio.get_running_loop()
        self.cluster = Cluster(rng=Random(1), clock=lambda: begin + int(loop.time() * 1e9))
        self.pod = self.cluster.add_pod()
        self.cluster.start(self.pod, self.pod.containers)
        self.cluster.set_ready(self.pod)
        self.faults: list[str] = []
        self.network = Network(self.cluster, self.weather, Random(1), self.faults.append)
        self.api = CountingApi(self.network, self.rhythm)
        self.pulses = Pulses()
        self.source = KubernetesSource(
            namespace=self.cluster.namespace,
            deployment=self.cluster.deployment,
            container=COST_MODEL,
            clock=clock,
            rhythm=self.rhythm,
            jitter=Random(1).random,
            api=self.api,
            pulses=self.pulses,
        )

    @property
    def asked(self) -> int:
        """How many requests the API got."""
        return self.api.asked

    @property
    def life(self) -> Life:
        life = self.pod.cost_model.life
        assert life is not None
        return life

    def read_lines(self, read: LinesRead) -> LogRead:
        self.lines += [line.text for line in read.lines]
        newest = read.lines[-1].at if read.lines else None
        return LogRead(read.epoch, (), len(read.lines), 0, 0, len(read.lines), newest)

    async def save(self, state: State, cursor: str | None, records: tuple[Record, ...]) -> None:
        """Keep nothing."""

    async def send(self, request: Request) -> Event:
        self.sent.append(request)
        await asyncio.sleep(10**9 if self.answers_hang else 0)
        return RequestAccepted(request.request, "ok")

    async def tell(self, notify: Notify) -> Event:
        await asyncio.sleep(10**9 if self.messages_hang else 0)
        return NotificationSent(notify.message, notify.destination)

    def daemon(self, save: Save | None = None) -> Daemon:
        edges = Edges(self.source, self, save or self.save, self.send, self.tell, clock)
        self.shell = Daemon(State.begin(self.plan), None, self.plan, edges)
        return self.shell

    def healthy(self) -> tuple[bool, str]:
        """What /healthz says now."""
        good, said = health([*self.shell.pulses.still(), *self.pulses.still()])
        return good, str(said.get("cause", ""))
