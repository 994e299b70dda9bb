"""The simulated Kubecost: its answers, what it says while it works, and what it truly did."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import aiohttp
import pytest

from watcher.core.window import Window
from watcher.simulator import SCENARIOS, Answer, Death, Pace, Scenario, Simulation
from watcher.simulator.envelopes import Envelope, Level, wrap
from watcher.simulator.pipelines import blocks
from watcher.simulator.scenarios import AWS, AZURE, Noise

WINDOW = Window.of_days(date(2023, 1, 1), date(2023, 1, 3))
SPAN = "[2023-01-01T00:00:00+0000, 2023-01-04T00:00:00+0000)"
FAST = Pace().scaled(40)
PATHS = {
    "asset": "/model/etl/asset/repair",
    "allocation": "/model/etl/allocation/repair",
    "cloudUsage": "/model/etl/cloudUsage/repair",
    "reconciliation": "/model/etl/asset/reconciliation/repair",
    "cloudCost": "/model/cloudCost/repair",
}


def quiet(profile: str = "kubecost-1.99", name: str = "happy", **changes: object) -> Scenario:
    """A scenario without any background, so that a test sees only what it asked for."""
    return replace(SCENARIOS[name], profile=profile, noise=Noise.NONE, **changes)  # type: ignore[arg-type]


@asynccontextmanager
async def simulated(
    scenario: Scenario | None = None, window: Window = WINDOW, **options: object
) -> AsyncIterator[tuple[Simulation, aiohttp.ClientSession]]:
    simulation = Simulation(scenario or quiet(), window=window, pace=FAST, **options)  # type: ignore[arg-type]
    async with simulation, aiohttp.ClientSession() as session:
        yield simulation, session


async def ask(
    simulation: Simulation, session: aiohttp.ClientSession, stage: str, window: str = str(WINDOW), **more: str
) -> tuple[int, str]:
    async with session.get(simulation.kubecost_url + PATHS[stage], params={"window": window, **more}) as response:
        return response.status, await response.text()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(2):
        while not condition():
            await asyncio.sleep(0.003)


async def finished(simulation: Simulation, stage: str) -> None:
    whole = frozenset(simulation.window.days())
    await until(lambda: simulation.ledger.finished(stage) >= whole)
    await asyncio.sleep(0)  # the line follows the truth


def said(simulation: Simulation) -> list[str]:
    """Every line of the current life of the container, without its stamp and level."""
    life = simulation.cluster.pod.cost_model.life
    assert life is not None
    texts = b"".join(record.content for record in life.log.open().take(100_000)).decode("utf-8", "replace")
    return [re.sub(r"^\S+Z (INF|WRN|ERR|\?\?\?) ", "", line) for line in texts.splitlines()]


def said_of(simulation: Simulation, word: str) -> list[str]:
    """What was said from the first repair on that holds this word, ids made alike."""
    lines = said(simulation)
    first = next((at for at, line in enumerate(lines) if re.search(r"Repair[\[:]", line)), len(lines))
    return [re.sub(r"\[[A-Za-z]{5}\]", "[ID]", line) for line in lines[first:] if word in line]


# ---- answers --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "stage", "says"),
    [
        ("kubecost-1.99", "asset", "Repairing Asset ETL"),
        ("kubecost-1.99", "allocation", "Repairing Allocation ETL"),
        ("kubecost-1.99", "cloudUsage", f"Cloud Usage Repair process has begun for {SPAN} for all providers"),
        ("kubecost-1.99", "reconciliation", f"Reconciliation Repair process has begun for {SPAN} for all providers"),
        ("kubecost-2", "cloudCost", "Rebuilding Cloud Usage For All Providers"),
    ],
)
async def test_accepted_is_said_at_once_in_the_documented_words(profile: str, stage: str, says: str) -> None:
    async with simulated(quiet(profile)) as (simulation, session):
        assert await ask(simulation, session, stage) == (200, f'{{"code":200,"data":"{says}"}}')
        request = simulation.requests[0]
        assert (request.stage, request.window, request.accepted) == (stage, WINDOW, True)


async def test_both_addresses_are_answered() -> None:
    async with simulated() as (simulation, session):
        query = {"window": str(WINDOW)}
        async with session.get(f"{simulation.kubecost_url}/etl/asset/repair", params=query) as response:
            assert response.status == 200


@pytest.mark.parametrize(
    "window",
    [
        "",
        "2023-01-01T00:00:00+00:00,2023-01-04T00:00:00Z",
        "2023-01-01,2023-01-04",
        "2023-02-30T00:00:00Z,2023-03-01T00:00:00Z",
        "2023-01-04T00:00:00Z,2023-01-01T00:00:00Z",
    ],
)
async def test_a_window_that_is_none_is_refused_and_nothing_is_done(window: str) -> None:
    async with simulated() as (simulation, session):
        status, body = await ask(simulation, session, "asset", window)
        assert (status, body[:24]) == (400, '{"code":400,"data":null,')
        assert simulation.ledger.repairs == []


async def test_cloud_cost_refuses_in_plain_text_and_drops_a_request_without_window() -> None:
    async with simulated(quiet("kubecost-2")) as (simulation, session):
        assert await ask(simulation, session, "cloudCost", "rubbish") == (
            400,
            "Invalid parameter: illegal window: rubbish\n",
        )
        assert (await ask(simulation, session, "cloudCost", integrationKey="nobody"))[0] == 400
        with pytest.raises(aiohttp.ClientError):
            await ask(simulation, session, "cloudCost", "")


async def test_a_stage_that_the_version_lacks_is_404() -> None:
    async with simulated(quiet("kubecost-2")) as (simulation, session):
        assert (await ask(simulation, session, "cloudUsage"))[0] == 404


async def test_a_rebuild_wipes_nothing_here_but_is_held_against_who_asks_for_it() -> None:
    async with simulated() as (simulation, session):
        async with session.get(f"{simulation.kubecost_url}/model/etl/asset/rebuild?commit=true") as response:
            assert response.status == 501
        async with session.get(f"{simulation.kubecost_url}/model/etl/status") as response:
            assert response.status == 404
        assert simulation.verdict() == ["request 1 (/model/etl/asset/rebuild?commit=true): not a repair of this run"]


async def test_a_bug_of_the_simulator_is_not_hidden() -> None:
    """What goes wrong in the simulated process ends the simulation."""

    async def broken() -> None:
        async with simulated() as (simulation, _):
            simulation.kubecost.installation.dialect = None  # type: ignore[assignment]
            simulation.kubecost.repair_by_hand("asset", WINDOW)
            await asyncio.sleep(1)

    with pytest.raises(BaseExceptionGroup) as raised:
        await broken()
    assert raised.group_contains(AttributeError)


async def test_one_provider_alone_can_be_asked_for() -> None:
    async with simulated(quiet(providers=(AWS, AZURE))) as (simulation, session):
        assert f"for provider {AZURE}" in (await ask(simulation, session, "cloudUsage", provider=AZURE))[1]
        await finished(simulation, "cloudUsage")
        assert len(said_of(simulation, "Repair[")) == 1


async def test_while_no_process_is_ready_the_frontend_answers_for_it() -> None:
    async with simulated() as (simulation, session):
        simulation.kubecost.crash(Death())
        await until(lambda: not simulation.kubecost.ready)
        status, body = await ask(simulation, session, "asset")
        assert (status, "502 Bad Gateway" in body) == (502, True)
        assert simulation.requests[0].accepted is False
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"{simulation.kubecost_url}/etl/asset/repair")


async def test_a_wrong_answer_may_hide_that_the_request_was_obeyed() -> None:
    async with simulated() as (simulation, session):
        simulation.faults.repair_answers.extend([Answer(504, "<html>", "text/html", carried_out=True), Answer(503, "")])
        assert (await ask(simulation, session, "asset"))[0] == 504
        assert (await ask(simulation, session, "asset"))[0] == 503
        assert [request.accepted for request in simulation.requests] == [True, False]
        await finished(simulation, "asset")


# ---- lines ----------------------------------------------------------------------------------------------------------


def days(text: str) -> list[str]:
    """``text`` once for every day of the window."""
    return [
        text.replace("DAY", f"[2023-01-0{day}T00:00:00+0000, 2023-01-0{day + 1}T00:00:00+0000)") for day in (1, 2, 3)
    ]


def without_numbers(lines: list[str]) -> list[str]:
    return [re.sub(r" from \d+ to \d+ in \S+$", " from N to N in T", line) for line in lines]


@pytest.mark.parametrize("profile", ["kubecost-1.99", "kubecost-1.100", "kubecost-1.106", "kubecost-2"])
async def test_assets_have_a_start_line_and_one_line_per_day(profile: str) -> None:
    async with simulated(quiet(profile)) as (simulation, session):
        await ask(simulation, session, "asset")
        await finished(simulation, "asset")
        lines = without_numbers(said_of(simulation, "Asset[1"))
    assert re.fullmatch(
        re.escape(f"ETL: Asset[1h]: Repair: error: cannot repair {SPAN}: coverage is [") + r"\S+, \S+\)", lines[0]
    )
    assert lines[1] == (
        "ETL: Asset[1d]: ETLStore.Repair[ID]: repairing 2023-01-01 00:00:00 +0000 UTC, 2023-01-04 00:00:00 +0000 UTC"
    )
    assert lines[2:] == days("ETL: Asset[1d]: AggregatedStore.Run[ID]: run: aggregated DAY from N to N in T")


async def test_v199_allocations_tell_the_start_of_every_day() -> None:
    async with simulated() as (simulation, session):
        await ask(simulation, session, "allocation")
        await finished(simulation, "allocation")
        lines = without_numbers(said_of(simulation, "Allocation["))[2:]
    starts = days("ETL: Allocation[ETL[allocations][1d]]: Repair[ID]: starting DAY")
    ends = days("ETL: Allocation[1d]: AggregatedStore[ID]: run: aggregated DAY from N to N in T")
    assert lines == [line for pair in zip(starts, ends, strict=True) for line in pair]


async def test_later_versions_spell_allocations_differently() -> None:
    async with simulated(quiet("kubecost-1.100")) as (simulation, session):
        await ask(simulation, session, "allocation")
        await finished(simulation, "allocation")
        lines = without_numbers(said_of(simulation, "Allocation["))[2:]
    assert lines == days("Allocation[1d]: AggregatedStoreDriver[ID]: run: aggregated DAY from N to N in T")


async def test_the_ids_of_start_and_days_agree_and_those_of_the_store_differ() -> None:
    async with simulated() as (simulation, session):
        await ask(simulation, session, "allocation")
        await finished(simulation, "allocation")
        lines = said(simulation)
    repair = {found for line in lines for found in re.findall(r"Repair\[(\w{5})\]", line)}
    store = {found for line in lines for found in re.findall(r"Allocation\[1d\]: AggregatedStore\[(\w{5})\]", line)}
    assert len(repair) == len(store) == 1
    assert repair != store


async def test_cloud_usage_says_one_line_per_provider_and_nothing_more() -> None:
    async with simulated(quiet(providers=(AWS, AZURE))) as (simulation, session):
        await ask(simulation, session, "cloudUsage")
        await until(lambda: said_of(simulation, "Repair["))
        assert simulation.ledger.finished("cloudUsage") == frozenset()  # the line is a beginning, not an end
        await finished(simulation, "cloudUsage")
        lines = said_of(simulation, "Repair[")
    assert lines == [f"ETL: CloudUsage[{key}]: Repair[ID]: QueryCloudUsage {SPAN}" for key in (AWS, AZURE)]


async def test_reconciliation_writes_the_allocation_store_then_tells_its_end_per_provider_and_day() -> None:
    async with simulated(quiet(providers=(AWS, AZURE))) as (simulation, session):
        await ask(simulation, session, "reconciliation")
        await finished(simulation, "reconciliation")
        lines = said(simulation)
    ends = [at for at, line in enumerate(lines) if "repair complete for" in line]
    assert len(ends) == 6
    for at in ends:
        key, day = re.fullmatch(  # type: ignore[union-attr]
            r"ETL: Asset\[1d\]: Reconciliation\[(.+)\]: Repair\[\w{5}\]: repair complete for (\[\S+, \S+\))", lines[at]
        ).groups()
        assert "Allocation[1d]: AggregatedStore" in lines[at - 1]
        assert f"run: aggregated {day}" in lines[at - 1]
        assert lines[at + 1].startswith("[Profiler] ")
        assert lines[at + 1].endswith(f"total elapsed time for {day}")
        assert key in {AWS, AZURE}


async def test_cloud_cost_works_in_blocks_of_seven_days_and_is_silent_about_their_end() -> None:
    async with simulated(quiet("kubecost-2", providers=(AWS, AZURE))) as (simulation, session):
        await ask(simulation, session, "cloudCost")
        await finished(simulation, "cloudCost")
        lines = [line for line in said(simulation) if "[2023-01-01" in line and "aggregated" not in line]
    week = "[2023-01-01T00:00:00+0000, 2023-01-08T00:00:00+0000)"
    assert lines == [
        f"CloudCost[{AWS}]: ingestor: building window {week}",
        f"AthenaIntegration[{AWS}]: GetCloudCost: {week}",
        f"CloudCost[{AZURE}]: ingestor: building window {week}",
    ]


@pytest.mark.parametrize(("length", "ends"), [(1, [7]), (3, [7]), (7, [7]), (8, [7, 8]), (15, [7, 14, 15])])
def test_only_the_first_block_is_longer_than_what_was_asked_for(length: int, ends: list[int]) -> None:
    window = Window(WINDOW.start, WINDOW.start + timedelta(days=length))
    assert [(block.end - window.start).days for block in blocks(window)] == ends


async def test_inside_the_hourly_store_every_hour_is_told_too() -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)  # noqa: TID251 - the store is of now
    window = Window(today - timedelta(days=4), today - timedelta(days=3))
    async with simulated(window=window, hourly_hours=200) as (simulation, session):
        await ask(simulation, session, "asset", str(window))
        await finished(simulation, "asset")
        lines = [line for line in said(simulation) if "Asset[1h]" in line and "build:" not in line]
    assert "ETLStore.Repair" in lines[0]
    assert len(lines) == 25


@pytest.mark.parametrize(
    ("envelope", "line"),
    [
        (Envelope.CONSOLE, "2023-11-14T22:13:20.5Z WRN text"),
        (Envelope.COLOUR, "\x1b[90m2023-11-14T22:13:20.5Z\x1b[0m \x1b[31mWRN\x1b[0m text"),
        (Envelope.JSON, '{"level":"warn","time":"2023-11-14T22:13:20.5Z","message":"text"}'),
        (Envelope.KLOG, "I1114 22:13:20.500000       1 log.go:32] [Warning] text"),
    ],
)
def test_envelopes(envelope: Envelope, line: str) -> None:
    assert wrap(envelope, 1_700_000_000_500_000_000, Level.WARNING, "text").decode() == line


async def test_a_loud_log_holds_what_breaks_readers() -> None:
    async with simulated(replace(SCENARIOS["noise"])) as (simulation, _):
        life = simulation.cluster.pod.cost_model.life
        assert life is not None
        await until(lambda: any(not record.full for record in life.log.open().take(100_000)))
        raw = b"".join(record.content for record in life.log.open().take(100_000))
        pods = simulation.cluster.pods.values()
    assert max(map(len, raw.split(b"\n"))) > 16 * 1024
    with pytest.raises(UnicodeDecodeError):
        raw.decode()
    assert b"boundary error: requested [2023-01-01" in raw
    assert b"\ngoroutine 32660 [running]:\n" in raw
    assert {pod.owner.kind for pod in pods if pod.owner} == {"ReplicaSet", "Job"}


# ---- lives ----------------------------------------------------------------------------------------------------------


async def test_a_restart_loses_the_queue_and_tells_old_contents_as_if_they_were_new() -> None:
    async with simulated(quiet(name="restart-midway")) as (simulation, session):
        first = simulation.cluster.pod.cost_model.life
        assert first is not None
        await ask(simulation, session, "asset")
        await until(lambda: first.death is not None)
        assert first.death == Death("Error", 2)
        await until(lambda: simulation.kubecost.ready)
        told = [line for line in said(simulation) if "Asset[1d]" in line and "aggregated [2023-01-0" in line]
        assert len(told) == 5  # the run's three days and two after them; none of it is work
        assert any(line.startswith("Starting cost-model (git commit ") for line in said(simulation))
        await asyncio.sleep(3 * FAST.day + FAST.accept)
        assert simulation.ledger.finished("asset") == {date(2023, 1, 1)}
        rest = Window.of_days(date(2023, 1, 2), date(2023, 1, 3))
        await ask(simulation, session, "asset", str(rest))
        await finished(simulation, "asset")
        assert simulation.verdict() == []


async def test_every_attempt_of_the_oom_loop_dies_the_same_way() -> None:
    async with simulated(quiet(name="oom-loop")) as (simulation, session):
        for attempt in (1, 2):
            await ask(simulation, session, "asset")
            lives = simulation.cluster.pod.cost_model.lives
            await until(lambda lives=lives, attempt=attempt: len(lives) > attempt)  # type: ignore[misc]
            assert lives[-2].death == Death("OOMKilled", 137)
            await until(lambda: simulation.kubecost.ready)
        assert date(2023, 1, 2) not in simulation.ledger.finished("asset")


@pytest.mark.parametrize("rollout", [False, True])
async def test_a_replaced_pod_has_another_name_and_the_old_one_goes(rollout: bool) -> None:
    async with simulated() as (simulation, _):
        old = simulation.cluster.pod
        simulation.kubecost.replace_pod(rollout=rollout)
        await until(lambda: not simulation.kubecost.ready)
        await until(lambda: simulation.kubecost.ready)
        assert [pod.name for pod in simulation.cluster.own_pods()] == [simulation.cluster.pod.name]
        assert simulation.cluster.pod.uid != old.uid
        assert len(simulation.cluster.replica_sets) == (2 if rollout else 1)


async def test_an_emptied_day_is_told_as_zero_rows_and_is_not_finished() -> None:
    async with simulated(quiet(name="empty-day")) as (simulation, session):
        await ask(simulation, session, "asset")
        await until(lambda: len(simulation.ledger.finished("asset")) == 2)
        lines = said_of(simulation, "Asset[1d]: Agg")
    assert date(2023, 1, 2) not in simulation.ledger.finished("asset")
    assert lines[1].endswith("[2023-01-02T00:00:00+0000, 2023-01-03T00:00:00+0000) from 0 to 0 in 220ns")


async def test_a_refused_window_is_accepted_and_told_in_the_log_only() -> None:
    async with simulated(quiet(name="cannot-repair")) as (simulation, session):
        assert (await ask(simulation, session, "asset"))[0] == 200
        await until(lambda: said_of(simulation, "Asset[1d]: Repair"))
        line = said_of(simulation, "Asset[1d]: Repair")[0]
    assert line.startswith(f"ETL: Asset[1d]: Repair: error: cannot repair {SPAN}: coverage is [")
    assert simulation.ledger.finished("asset") == frozenset()


async def test_a_foreign_repair_shows_its_start_line_and_is_not_in_the_requests() -> None:
    async with simulated(quiet(name="foreign-repair")) as (simulation, session):
        await ask(simulation, session, "asset")
        await finished(simulation, "asset")
        lines = said_of(simulation, "Allocation[1d]: ETLStore.Repair")
    assert lines[0].endswith("repairing 2022-12-02 00:00:00 +0000 UTC, 2022-12-04 00:00:00 +0000 UTC")
    assert len(simulation.requests) == 1


async def test_a_silent_stage_accepts_and_never_says_a_word() -> None:
    async with simulated(quiet(name="silent-stage")) as (simulation, session):
        before = len(said(simulation))
        assert (await ask(simulation, session, "cloudUsage"))[0] == 200
        await asyncio.sleep(FAST.accept + 2 * FAST.cloud)
        assert len(said(simulation)) == before
        assert simulation.ledger.finished("cloudUsage") == frozenset()


async def test_the_slow_last_day_takes_longer_than_quiet_and_shorter_than_day() -> None:
    pace = Pace()
    for speed in (0.5, 1, 4):
        scaled = pace.scaled(speed)
        patience = {name: int(text.removesuffix("s")) for name, text in scaled.patience().items()}
        assert 2 * patience["quiet"] < scaled.slow_day < patience["day"]
        assert scaled.cloud + 2 * scaled.lag < patience["quiet"]


@pytest.mark.parametrize("speed", [0, -1])
def test_a_speed_that_is_none_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="must be greater than 0"):
        Pace().scaled(speed)


def test_scenarios_know_their_profiles_and_say_what_they_show() -> None:
    demanded = {"happy", "noise", "restart-midway", "slow-last-day", "two-providers"}
    assert all(SCENARIOS[name].verdict.exit_code == 0 for name in demanded)
    assert {name for name, one in SCENARIOS.items() if one.verdict.exit_code == 3} == {
        "oom-loop",
        "empty-day",
        "foreign-repair",
        "silent-stage",
    }
    assert SCENARIOS["cannot-repair"].verdict.exit_code == 1
    assert {one.profile for one in SCENARIOS.values()} == {
        "kubecost-1.99",
        "kubecost-1.100",
        "kubecost-1.106",
        "kubecost-2",
    }
    assert all(one.name == name and one.description for name, one in SCENARIOS.items())
