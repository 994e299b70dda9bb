"""How each pipeline works off a repair, and what it says meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import date, timedelta

from watcher.core.window import ONE_DAY, ONE_HOUR, Window
from watcher.simulator import phrases
from watcher.simulator.envelopes import Level
from watcher.simulator.ledger import Outcome, Repair
from watcher.simulator.speaker import Speaker
from watcher.simulator.troubles import Denied, Emptied, Refused

BLOCK = timedelta(days=7)
"""CloudCost asks the provider for at least so much at once."""


async def repair_assets(process: Speaker, repair: Repair) -> None:
    """Repair the asset stores."""
    await _repair_store(process, repair, "Asset")


async def repair_allocations(process: Speaker, repair: Repair) -> None:
    """Repair the allocation stores."""
    await _repair_store(process, repair, "Allocation")


async def _repair_store(process: Speaker, repair: Repair, kind: str) -> None:
    """Day by day, ascending. The daily store has no line for the end of it all."""
    one = process.installation
    coverage = one.hourly_coverage()
    hourly = coverage.contains(repair.window)
    if not hourly:
        process.say(Level.WARNING, phrases.cannot_repair(kind, "1h", repair.window, coverage))
    if repair.request is not None and Refused(repair.stage) in one.scenario.troubles:
        daily = Window(one.today().start - 7 * ONE_DAY, one.today().end)
        for day in repair.days:
            process.finish(repair, day, Outcome.FAILED)
        process.say(Level.WARNING, phrases.cannot_repair(kind, "1d", repair.window, daily))
        return
    identity = one.identity()
    process.info(phrases.repairing(kind, identity, repair.window))
    if hourly:
        process.info(phrases.repairing(kind, one.identity(), repair.window, "1h"))
    for day in list(repair.days):
        window = Window.of_days(day, day)
        if kind == "Allocation" and one.dialect.says_day_starting:
            process.info(phrases.day_starting(identity, window))
        await process.work_on(repair, day)
        if hourly:
            _say_hours(process, kind, window)
        empty = any(
            isinstance(trouble, Emptied) and trouble.stage == repair.stage and one.is_day(trouble.day, day)
            for trouble in (one.scenario.troubles if repair.request is not None else ())
        )
        rows = one.disk.write(kind, day, empty=empty)
        process.finish(repair, day, Outcome.EMPTY if empty else Outcome.DONE)
        store = one.dialect.store(kind, "1d", process.run_ids[kind])
        seconds = 220e-9 if empty else one.rng.uniform(5e-5, 9e-1)
        process.info(phrases.aggregated(store, window, rows, seconds))


def _say_hours(process: Speaker, kind: str, day: Window) -> None:
    one = process.installation
    store = one.dialect.store(kind, "1h", process.run_ids[kind])
    for hour in range(24):
        start = day.start + hour * ONE_HOUR
        rows = (one.rng.randint(20, 90), one.rng.randint(3, 19))
        process.info(phrases.aggregated(store, Window(start, start + ONE_HOUR), rows, one.rng.uniform(5e-5, 5e-3)))


async def repair_cloud_usage(process: Speaker, repair: Repair) -> None:
    """One line when a provider's bill is asked for, none when it has come. The providers work side by side."""
    one = process.installation
    lacking = {day: set(repair.providers) for day in repair.days}

    async def ask(number: int, key: str) -> None:
        await asyncio.sleep(number * one.pace.lag)
        process.info(phrases.query_cloud_usage(key, "Repair", one.identity(), repair.window))
        await asyncio.sleep(one.pace.cloud)
        _came(process, repair, lacking, key, list(repair.days))

    await _side_by_side(repair, ask)


async def reconcile(process: Speaker, repair: Repair) -> None:
    """Per provider and day: the allocation store is written, then comes an end line, then its timer."""
    one = process.installation
    lacking = {day: set(repair.providers) for day in repair.days}

    async def reconcile_one(number: int, key: str) -> None:
        identity = one.identity()
        for day in list(repair.days):
            await process.work_on(repair, day)
            await asyncio.sleep(number * 2 * one.pace.lag)
            window = Window.of_days(day, day)
            store = one.dialect.store("Allocation", "1d", process.run_ids["Allocation"])
            rows = one.disk.read("Allocation", day)
            _came(process, repair, lacking, key, [day])
            process.info(phrases.aggregated(store, window, rows, one.rng.uniform(1e-3, 9e-1)))
            process.info(phrases.reconciled(key, identity, window))
            process.info(phrases.reconciled_in(key, identity, window, one.rng.uniform(1, 20)))

    await _side_by_side(repair, reconcile_one)


async def repair_cloud_cost(process: Speaker, repair: Repair) -> None:
    """Blocks of seven days from the start; the first is never clipped. Silent about every end."""
    one = process.installation
    lacking = {day: set(repair.providers) for day in repair.days}

    async def build(number: int, key: str) -> None:
        await asyncio.sleep(number * one.pace.lag)
        for block in blocks(repair.window):
            process.info(phrases.building_window(key, block))
            if "s3://" in key:
                process.info(phrases.get_cloud_cost(key, block))
            await asyncio.sleep(one.pace.cloud)
            if repair.request is not None and Denied(repair.stage) in one.scenario.troubles:
                for day in block.days():
                    process.finish(repair, day, Outcome.FAILED)
                process.say(Level.ERROR, phrases.build_failed(key, block))
                continue
            _came(process, repair, lacking, key, block.days())

    await _side_by_side(repair, build)


def blocks(window: Window) -> list[Window]:
    """What CloudCost makes of a window: seven days each, only blocks after the first end with the window."""
    found = [Window(window.start, window.start + BLOCK)]
    while found[-1].end < window.end:
        found.append(Window(found[-1].end, min(found[-1].end + BLOCK, window.end)))
    return found


async def _side_by_side(repair: Repair, work: Callable[[int, str], Awaitable[None]]) -> None:
    await asyncio.gather(*(work(number, key) for number, key in enumerate(repair.providers)))


def _came(process: Speaker, repair: Repair, lacking: dict[date, set[str]], key: str, days: Iterable[date]) -> None:
    """These days are there for this provider; a day is done once no provider lacks."""
    for day in days:
        if day in lacking:
            lacking[day].discard(key)
            if not lacking[day]:
                process.finish(repair, day, Outcome.DONE)


PIPELINES: dict[str, Callable[[Speaker, Repair], Awaitable[None]]] = {
    "asset": repair_assets,
    "allocation": repair_allocations,
    "cloudUsage": repair_cloud_usage,
    "cloudCost": repair_cloud_cost,
    "reconciliation": reconcile,
}
"""By the stage that asks for it."""
