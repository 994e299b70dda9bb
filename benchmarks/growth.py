"""What grows: the time of a step, a save and what people see with the days; a start with the journal."""

from __future__ import annotations

import asyncio
import json
import math
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.follow import WAIT, daemon, quantiles
from benchmarks.running import median
from benchmarks.serving import serving
from watcher.core.commands import Command, Record, Request
from watcher.core.events import Attached, Booted, CaughtUp, DeadlineReached, Event, LogRead, RequestAccepted
from watcher.core.moves import DayStatus, StageStatus
from watcher.core.orchestrator import step
from watcher.core.plan import Destination, Patience, Plan, StagePlan
from watcher.core.state import Day, Stage, State
from watcher.core.view import view
from watcher.core.window import ONE_DAY, Window
from watcher.matcher import Matcher
from watcher.metrics import Metrics
from watcher.preflight import identity
from watcher.profile import Profile, load_profile
from watcher.scan import Scanner
from watcher.sources import RawLine
from watcher.store import Store
from watcher.web import serve

SHIPPED = "kubecost-1.99"
DAYS = (4, 40, 400)
DESTINATIONS = (1, 8, 64)
JOURNALS = (0, 1_000, 100_000)
FIRST = date(2022, 1, 1)
BEGUN = datetime(2023, 6, 1, tzinfo=UTC)
LOOKS = 30  # at the page and the status document


def days(folder: Path, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Four stages of more and more days, the last one at work: what a line of its log costs, and what a look."""
    return [_grown(folder, count, 1, tell) for count in DAYS]


def destinations(folder: Path, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Forty days, and more and more who are told (none of them answers)."""
    return [_grown(folder, 40, count, tell) for count in DESTINATIONS]


def _grown(folder: Path, count: int, told: int, tell: Callable[[str], None]) -> dict[str, Any]:
    tell(f"growth, {count} days of 4 stages, {told} destinations")
    profile = load_profile(SHIPPED)
    driver = Driver(_plan(profile, count, told), folder / f"growth-{count}-{told}.db")
    with closing(driver):
        driver.begin()
        scanner = Scanner(Matcher(profile))
        for number in range(count):
            line = _aggregated(FIRST + number * ONE_DAY)
            driver.happen(scanner.read_batch([RawLine(line.encode(), driver.now)]))
            driver.happen(DeadlineReached())
        found = {f"step_{key}": value for key, value in quantiles(driver.steps).items()}
        found |= {f"save_{key}": value for key, value in quantiles(driver.saves).items()}
        document = view(driver.state, driver.now)
        done = sum(stage["days_done"] for stage in document["stages"])
        found |= asyncio.run(_looks(lambda: view(driver.state, driver.now)))
        return {"days": count, "destinations": told, "stages": len(document["stages"]), "days_done": done} | found


@dataclass(slots=True)
class Driver:
    """The core and the state file, as the daemon drives them; ``steps`` and ``saves`` are microseconds."""

    plan: Plan
    path: Path
    now: datetime = BEGUN
    steps: list[float] = field(default_factory=list)
    saves: list[float] = field(default_factory=list)
    state: State = field(init=False)
    store: Store = field(init=False)

    def __post_init__(self) -> None:
        """Three stages are done, the last one is to begin."""
        begun = State.begin(self.plan)
        done = Day(
            DayStatus.DONE, attempts=1, rows_in=61044, rows_out=611, seconds=1.2, at=BEGUN, evidence=_aggregated(FIRST)
        )
        stages = [_done(stage, done) for stage in begun.stages[:-1]]
        self.state = replace(begun, stages=(*stages, begun.stages[-1]))
        self.store = Store(self.path).open()
        self.store.begin(identity(self.plan), self.state)

    def close(self) -> None:
        """Close the state file."""
        self.store.close()

    def begin(self) -> None:
        """Boot, hear the log, request the stage, be answered."""
        commands: list[Command] = []
        for event in (Booted(), Attached(None, "growth"), CaughtUp(self.now + timedelta(seconds=3))):
            commands += self.happen(event)
        request = next((each for each in commands if isinstance(each, Request)), None)
        if request is None:
            message = "the core did not request the last stage"
            raise RuntimeError(message)
        self.happen(RequestAccepted(request.request, "Repairing"))
        start = f"{FIRST:%Y-%m-%d} 00:00:00 +0000 UTC, {self.plan.window.end:%Y-%m-%d %H:%M:%S} +0000 UTC"
        line = f"ETL: Asset[1d]: ETLStore.Repair[abcde]: repairing {start}"
        profile = load_profile(SHIPPED)
        self.happen(Scanner(Matcher(profile)).read_batch([RawLine(line.encode(), self.now)]))
        self.steps.clear()
        self.saves.clear()

    def happen(self, event: Event) -> tuple[Command, ...]:
        """One turn of the daemon: step, then save what it says."""
        self.now += timedelta(seconds=1)
        begun = time.perf_counter()
        self.state, commands = step(self.state, event, self.now, self.plan)
        stepped = time.perf_counter()
        self.steps.append((stepped - begun) * 1e6)
        if commands or not isinstance(event, LogRead | DeadlineReached):
            self.store.save(self.state, "{}", [each for each in commands if isinstance(each, Record)])
            self.saves.append((time.perf_counter() - stepped) * 1e6)
        return commands


def _done(stage: Stage, day: Day) -> Stage:
    return replace(
        stage,
        status=StageStatus.DONE,
        days=dict.fromkeys(stage.days, day),
        requests=1,
        started_at=BEGUN,
        finished_at=BEGUN,
    )


def _plan(profile: Profile, count: int, told: int) -> Plan:
    window = Window.of_days(FIRST, FIRST + (count - 1) * ONE_DAY)
    stages = [StagePlan(stage.rules, Patience()) for stage in profile.stages]
    stages.sort(key=lambda stage: stage.name == "asset")  # the one that says a line for each day comes last
    everything = frozenset({"run_started", "stage_done", "run_done", "failed", "held", "unclear", "restarted"})
    who = tuple(Destination(f"destination-{number}", everything) for number in range(told))
    return Plan("growth", profile.name, window, tuple(stages), destinations=who)


def _aggregated(day: date) -> str:
    window = f"[{day}T00:00:00+0000, {day + ONE_DAY}T00:00:00+0000)"
    return f"ETL: Asset[1d]: AggregatedStore.Run[abcde]: run: aggregated {window} from 40 to 7 in 91.5µs"


async def _looks(status: Callable[[], dict[str, Any]]) -> dict[str, float]:
    """How long a look at the web answer takes, in microseconds, the connection included."""

    def look(address: str) -> list[float]:
        taken = []
        for _ in range(LOOKS):
            begun = time.perf_counter()
            with urllib.request.urlopen(address, timeout=WAIT) as answer:
                answer.read()
            taken.append((time.perf_counter() - begun) * 1e6)
        return taken

    found: dict[str, float] = {}
    answers = serve(
        "127.0.0.1:0",
        status=status,
        ready=lambda: (True, {}),
        healthy=lambda: (True, {}),
        metrics=Metrics(status).render,
    )
    async with answers as server:
        for name, path in {"page": "/", "status": "/api/v1/status", "metrics": "/metrics"}.items():
            taken = await asyncio.to_thread(look, server.url + path)
            found |= {f"{name}_{key}": value for key, value in quantiles(taken).items()}
    found["status_bytes"] = len(json.dumps(status()))
    return found


def journals(folder: Path, count: int, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """How long `watcher run` takes until it asks for the log, by the entries in its journal."""
    rows = []
    for entries in JOURNALS:
        tell(f"growth, a start from a journal of {entries} entries")
        state = folder / f"journal-{entries}.db"
        taken = [_start(folder, state, entries) for _ in range(count)]
        rows.append({"entries": entries, "seconds": median(taken), "bytes": state.stat().st_size})
    return rows


def _start(folder: Path, state: Path, entries: int) -> float:
    with serving() as server:
        if not state.exists():
            with daemon(folder, server, state={"path": str(state)}):
                server.wait_for("sending")
            _fill(state, entries)
        begun = time.monotonic()
        with daemon(folder, server, state={"path": str(state)}):
            return server.wait_for("sending") - begun


def _fill(path: Path, entries: int) -> None:
    store = Store(path).open()
    with closing(store):
        saved = store.load()
        if saved is None:
            message = f"{path} holds no run"
            raise RuntimeError(message)
        evidence = _aggregated(FIRST)
        record = Record(BEGUN, "day", "the set was written", "asset", FIRST, "requested", "done", evidence)
        for first in range(0, entries, 1000):
            store.save(saved.state, saved.cursor, [record] * min(1000, entries - first))


def worst(row: dict[str, Any], *names: str) -> float:
    """The largest 99th percentile among what is named, in milliseconds."""
    return max((row[f"{name}_p99_us"] / 1000 for name in names), default=math.nan)
