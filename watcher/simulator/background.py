"""What a healthy Kubecost says beside any repair: ordinary runs with the same lines, requests, warnings, rubbish."""

from __future__ import annotations

import asyncio

from watcher.core.window import ONE_DAY, ONE_HOUR, Window
from watcher.simulator import phrases
from watcher.simulator.envelopes import Level
from watcher.simulator.scenarios import Noise
from watcher.simulator.speaker import Speaker

CLOUD_EVERY = 3
"""Of so many ordinary runs one includes the cloud pipelines."""


async def background(process: Speaker) -> None:
    """Speak for ever, as loud as the scenario wants it."""
    one = process.installation
    noise = one.scenario.noise
    turn = 0
    while True:
        await asyncio.sleep(one.pace.background * one.rng.uniform(0.7, 1.3))
        turn += 1
        if noise >= Noise.USUAL:
            _ordinary_run(process)
            _requests(process)
            if turn % CLOUD_EVERY == 0:
                _ordinary_cloud_run(process)
        if noise >= Noise.LOUD:
            _flood(process)
            _other_errors(process)
            _rubbish(process, turn)


def _ordinary_run(process: Speaker) -> None:
    """Today and yesterday are rewritten again and again, and the last hours; hours that lie ahead are empty."""
    one = process.installation
    today = one.today()
    yesterday = Window(today.start - ONE_DAY, today.start)
    last_hour = one.hourly_coverage().end
    for kind in ("Asset", "Allocation"):
        daily = one.dialect.store(kind, "1d", process.run_ids[kind])
        hourly = one.dialect.store(kind, "1h", process.run_ids[kind])
        for window in (today, yesterday):
            rows = one.disk.read(kind, window.start.date())
            process.info(phrases.aggregated(daily, window, rows, one.rng.uniform(1e-5, 1e-2)))
        for back in (2, 1):
            hour = Window(last_hour - back * ONE_HOUR, last_hour - (back - 1) * ONE_HOUR)
            process.info(phrases.aggregated(hourly, hour, (one.rng.randint(30, 700), 30), 5.032994e-3))
        process.info(phrases.aggregated(hourly, Window(last_hour, last_hour + ONE_HOUR), (0, 0), 220e-9))


def _ordinary_cloud_run(process: Speaker) -> None:
    """The cloud pipelines go over the last days every few hours."""
    one = process.installation
    today = one.today()
    recent = Window(today.start - 3 * ONE_DAY, today.end)
    for key in one.scenario.providers:
        if "cloudUsage" in one.dialect.stages:
            process.info(phrases.query_cloud_usage(key, "Run", one.identity(), recent))
        if "cloudCost" in one.dialect.stages:
            process.info(phrases.building_window(key, recent))
        if "reconciliation" in one.dialect.stages:
            supported = Window(today.start - 2 * ONE_DAY, one.now().replace(microsecond=0))
            error = phrases.boundary_error(recent, supported)
            process.say(Level.ERROR, f"ETL: Asset[1d]: Reconciliation[{key}]: Run[{one.identity()}]: {error}")


def _requests(process: Speaker) -> None:
    """Somebody looks at the dashboard."""
    one = process.installation
    query = f"ETL: QuerySummaryAllocation({phrases.span(one.window)}, [cluster])"
    process.info("http: named cookie not present")
    process.info(f"{query} from AggregatedStore[1d] 20.779288ms [query 13.45927ms] [aggregate 7.252158ms]")
    process.info("[Profiler] 1.125297312s: ComputeCostData: Processing Query Data")


def _flood(process: Speaker) -> None:
    """The warnings that come by the hundred in every run and every repair."""
    one = process.installation
    start, end = (moment.strftime("%Y-%m-%dT%H:%M:%S") for moment in (one.window.start, one.window.start + ONE_DAY))
    for _ in range(one.rng.randint(40, 120)):
        disk = f"pvc-{one.rng.getrandbits(32):08x}"
        process.say(
            Level.WARNING,
            f"Asset ETL: disk '{disk}' start outside window: 0001-01-01T00:00:00 not in [{start}, {end}]",
        )
    process.say(Level.WARNING, "ETL: did not find allocations for asset key: us-east-2-controlplane/pvc-0")


def _other_errors(process: Speaker) -> None:
    """Errors that name the days of the run, but come from pipelines that are not repaired."""
    one = process.installation
    supported = Window(one.window.start + 3 * ONE_DAY, one.window.end + 30 * ONE_DAY)
    error = phrases.boundary_error(one.window, supported)
    key = one.scenario.providers[0]
    process.say(Level.ERROR, f"ETL: CloudAsset[{key}]: Build[{one.identity()}]: MergeRange error: {error}")
    process.say(Level.ERROR, "CostModel.ComputeAllocation: query context error Errors: Request Error: 503")


def _rubbish(process: Speaker, turn: int) -> None:
    """Lines that break naive readers."""
    one = process.installation
    process.raw(str(one.rng.randint(0, 99)).encode())
    process.raw(b"goroutine 32660 [running]:")
    process.raw(b"\t/usr/local/go/src/runtime/panic.go:1047 +0x5d fp=0xc01421cb70 sp=0xc01421cb40 pc=0x43919d")
    process.raw(b"\xff\xfe\x00 not UTF-8 \xc3\x28, with a carriage return\r")
    process.raw(b"")
    if turn % 2:
        process.info("QueryAllocation: " + "x" * one.rng.randint(17_000, 60_000))
