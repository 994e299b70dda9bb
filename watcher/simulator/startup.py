"""The first moments of a process: it names itself, finds its providers, and reads its stores from disk.

Reading a set aggregates it, so every stored day is printed as if it were new, with the contents it had.
"""

from __future__ import annotations

import asyncio

from watcher.core.window import ONE_DAY, ONE_HOUR, Window
from watcher.simulator import phrases
from watcher.simulator.envelopes import Level
from watcher.simulator.speaker import Speaker


async def start_up(process: Speaker) -> None:
    """Print what a start prints; returns when the readiness probe would succeed."""
    one = process.installation
    moment = one.now().strftime("%Y/%m/%d %H:%M:%S")
    process.raw(f"{moment} maxprocs: Updating GOMAXPROCS=4: determined from CPU quota".encode())
    process.say(Level.NONE, "Log level set to info")
    process.info(f'Starting cost-model (git commit "{one.dialect.version}")')
    process.say(Level.ERROR, "Failed to lookup savings plan data: No Athena Bucket configured")
    for key in one.scenario.providers:
        _find_provider(process, key)
    await asyncio.sleep(one.pace.startup)
    load_stores(process)
    await asyncio.sleep(one.pace.ready)


def _find_provider(process: Speaker, key: str) -> None:
    one = process.installation
    today = one.today()
    recent = Window(today.start - 6 * ONE_DAY, today.end)
    process.info(f"Adding AWS Provider to map with key: {key}")
    if "cloudCost" in one.dialect.stages:
        back = (today.start - 90 * ONE_DAY).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")
        process.info(f"CloudCost[{key}]: ingestor: build[{one.identity()}]: Starting build back to {back}")
        process.info(phrases.building_window(key, recent))
    if "cloudUsage" in one.dialect.stages:
        identity = one.identity()
        process.info(f"ETL: CloudUsage[{key}]: Starting PipelineController")
        missing = f"{recent.start:%Y-%m-%d %H:%M:%S} +0000 UTC - {recent.end:%Y-%m-%d %H:%M:%S} +0000 UTC"
        process.say(
            Level.ERROR,
            f"ETL:  CloudUsage[{key}]: Build[{identity}]:  failed to load range from back up {missing}:"
            " file does not exist",
        )
        process.info(phrases.query_cloud_usage(key, "Build", identity, recent))


def load_stores(process: Speaker, kinds: tuple[str, ...] = ("Asset", "Allocation")) -> None:
    """Read every stored day from disk, and print it as if it were new."""
    one = process.installation
    hours = one.hourly_coverage()
    for kind in kinds:
        identity = one.identity()
        for back in range(1, 5):
            hour = Window(hours.end - back * ONE_HOUR, hours.end - (back - 1) * ONE_HOUR)
            so_far = Window(hour.start, hours.end)
            process.info(phrases.loaded(kind, identity, hour, so_far, 100 * back / one.hourly_hours))
        store = one.dialect.store(kind, "1d", process.run_ids[kind])
        for day in one.stored_days():
            rows = one.disk.read(kind, day)
            process.info(phrases.aggregated(store, Window.of_days(day, day), rows, one.rng.uniform(1e-5, 1e-3)))
