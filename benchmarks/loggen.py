"""A log as a cost-analyzer writes it: HTTP noise, timers, warnings, stack traces, and now and then a line that matters.

Behind the container runtime's stamp; some lines of 10 to 50 KB, some bytes that are no UTF-8, many ``µs``. ``density``
is the share of lines that one of the thirty patterns of ``thirty.yaml`` matches. The same seed gives the same bytes.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

BLOCK_LINES = 100_000
FIRST_HOUR = datetime(2023, 1, 5, tzinfo=UTC)
_HOUR = b"@@@@-@@-@@T@@"  # where the hour goes: as long as ``2023-01-05T08``

Make = Callable[[random.Random], str]


def _id(dice: random.Random) -> str:
    return "".join(dice.choices("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", k=5))


def _window(dice: random.Random) -> str:
    day = dice.randint(1, 28)
    return f"[2023-01-{day:02}T00:00:00+0000, 2023-01-{day + 1:02}T00:00:00+0000)"


def _took(dice: random.Random) -> str:
    return f"{dice.uniform(1, 999):.{dice.randint(1, 6)}f}{dice.choice(['µs', 'ms', 's'])}"


def _key(dice: random.Random) -> str:
    return f"{dice.choice([100000000001, 100000000002])}/s3://aws-athena-query-results-{dice.randint(1, 3)}"


# Lines that one of the thirty patterns matches, and how often they come.
MATTERS: tuple[tuple[int, Make], ...] = (
    (1, lambda d: f"INF ETL: Asset[1d]: ETLStore.Repair[{_id(d)}]: repairing 2023-01-01 00:00:00 +0000 UTC, 2023-01-04 00:00:00 +0000 UTC"),
    (40, lambda d: f"INF ETL: Asset[1{d.choice('dh')}]: AggregatedStore.Run[{_id(d)}]: run: aggregated {_window(d)} from {d.randint(9, 99999)} to {d.randint(1, 999)} in {_took(d)}"),
    (2, lambda d: f"WRN ETL: Asset[1h]: Repair: error: cannot repair {_window(d)}: coverage is {_window(d)}"),
    (20, lambda d: f"INF ETL: CloudUsage[{_key(d)}]: Run[{_id(d)}]: QueryCloudUsage {_window(d)}"),
    (10, lambda d: f"INF ETL: Asset[1d]: Reconciliation[{_key(d)}]: Repair[{_id(d)}]: repair complete for {_window(d)}"),
    (20, lambda d: f"[Profiler] {_took(d)}: ETL: Asset[1d]: Repair[{_id(d)}]: total elapsed time for {_window(d)}"),
    (20, lambda d: f"INF Federator[assets][1d]: Successfully merged files for '{d.randint(10**9, 2 * 10**9)}-1690848000' from federated clusters"),
    (10, lambda d: f"INF CloudCost[{_key(d)}]: ingestor: building window {_window(d)}"),
    (10, lambda d: f"DBG BuildWindow[{_key(d)}]: GetCloudCost: writing cloud costs for window {_window(d)}: {d.randint(1, 999)}"),
    (30, lambda d: f"INF ETL: Allocation: Save: successfully saved {_window(d)}"),
    (2, lambda d: f"INF ETL: CloudUsage[{_key(d)}]: Starting PipelineController"),
    (2, lambda d: f"INF CloudCost: IngestionManager: creating integration with key: {_key(d)}"),
    (2, lambda d: f"ERR ETL:  CloudUsage[{_key(d)}]: Build[{_id(d)}]:  failed to load range from back up 2023-01-01T00:00:00+0000 - 2023-01-02T00:00:00+0000"),
    (1, lambda _: "panic: runtime error: invalid memory address or nil pointer dereference"),
    (10, lambda d: f'ERR CostDataRange: Request Error: {d.choice([503, 422])} (Service Unavailable) Headers: {{ Content-Type: [ application/json ] }}, Body: {{"status":"error"}}'),
    (10, lambda _: "ERR CostModel.ComputeAllocation: query context error Errors: Request timed out"),
    (10, lambda d: f"ERR CostModel.ComputeAllocation: pod query {d.randint(1, 9)} try 2 failed: avg(kube_pod_container_status_running) by (pod, namespace)"),
    (3, lambda _: "ERR CostDataRange: Parsing Error: Prometheus communication error: avg("),
    (3, lambda _: "ERR ETL: ComputeAllocation: ComputeAggregateCostModel: vector cannot contain metrics with the same labelset"),
    (1, lambda d: f"ERR cannot allocate {d.randint(1, 10**9)} bytes of memory for {_id(d)}"),
    (5, lambda d: f"ERR bucket storage: {d.choice(['upload', 'download'])} of etl/1d/{d.randint(1, 9)} failed after {_took(d)}"),
    (10, lambda d: f"WRN Could not fetch pricing for node ip-10-0-0-{d.randint(1, 250)}.internal in us-east-1"),
    (5, lambda d: f"WRN persistent volume pvc-{d.getrandbits(64):x} has no storage class"),
    (5, lambda d: f"INF leader lease renewed by kubecost-cost-analyzer-{d.randint(0, 3)}"),
    (10, lambda d: f"INF Thanos query took {_took(d)} for {d.randint(1, 99999)} series"),
    (5, lambda d: f"ERR savings: {d.choice(['boundary error', 'Boundary Error', 'BOUNDARY ERROR'])}: requested {_window(d)}; supported {_window(d)}"),
    (1, lambda _: "unexpected fault address 0xb01dfacedebac1e"),
    (3, lambda d: f"INF OK: {d.choice(['READY', 'SYNCED', 'DONE'])}"),
    (3, lambda d: f"INF Shard-{d.randint(1, 12)}-of-12 is rebalanced"),
)  # fmt: skip

# Lines that nothing matches, and how often they come.
NOISE: tuple[tuple[int, Make], ...] = (
    (340, lambda d: f"INF GET /model/{d.choice(['allocation', 'assets', 'savings', 'clusterInfo'])}?window={d.randint(1, 30)}d&aggregate=namespace {d.choice([200, 200, 304, 500])} {_took(d)} from 10.0.{d.randint(0, 9)}.{d.randint(1, 250)} agent Mozilla/5.0 (X11; Linux x86_64)"),
    (200, lambda d: f"[Profiler] {_took(d)}: {d.choice(['Query Allocation', 'bingen decode', 'NetworkInsight'])}: step {d.randint(1, 9)} of 9"),
    (120, lambda d: f"WRN No pricing found for {d.choice(['c5.large', 'm5.xlarge', 'n1-standard-4'])} in zone us-east-1{d.choice('abc')}, using the default of {d.random():.4f} an hour"),
    (80, lambda d: f"DBG reading {d.randint(1, 99999)} bytes from /var/configs/db/etl/bingen/allocations/1h/16907{d.randint(10000, 99999)}-16908{d.randint(10000, 99999)} took {_took(d)}"),
    (60, lambda d: f"\t/app/kubecost-cost-model/pkg/costmodel/aggregation.go:{d.randint(1, 3000)} +0x{d.getrandbits(12):x}"),
    (60, lambda d: f'INF Querying Prometheus for container_cpu_allocation offset {d.randint(1, 3000)}m, resolution 1m, cluster "cluster-{d.randint(1, 9)}"'),
    (60, lambda d: f"WRN Metric kube_node_labels has {d.randint(2, 9)} series for node ip-10-0-{d.randint(0, 9)}-7.ec2.internal where 1 was expected; taking the newest"),
    (40, lambda d: f"runtime.gopanic(0x{d.getrandbits(48):x}, 0x{d.getrandbits(48):x})"),
    (30, lambda d: f"ERR Error retrieving node price data from {d.choice(['AWS', 'GCP', 'Azure'])}: context deadline exceeded (Client.Timeout while awaiting headers)"),
    (9, lambda d: "INF name with bytes that are no text: \udcff\udcfe" + _id(d) + "\udc80 in namespace default"),
    (0, lambda d: "DBG query: " + " + ".join(f"sum(rate(metric_{d.randint(1, 999)}[5m])) by (pod)" for _ in range(d.randint(250, 1250)))),
)  # fmt: skip
_LONG = NOISE[-1][1]
_LONG_EVERY = 20_000  # lines


def generate(path: Path, size: int, density: float, seed: int = 1) -> int:
    """Write at least ``size`` bytes (whole lines) to ``path``; return how many lines."""
    lines = written = 0
    with path.open("wb") as out:
        for block in blocks(density, seed, min(BLOCK_LINES, max(1000, size // 300))):
            kept = block if written + len(block) <= size else block[: block.index(b"\n", size - written - 1) + 1]
            written += out.write(kept)
            lines += kept.count(b"\n")
            if written >= size:
                return lines
    return lines


def blocks(density: float, seed: int, lines: int = BLOCK_LINES) -> Iterator[bytes]:
    """Endless stretches of log of one hour each: the same lines, later and later."""
    block = b"".join(_lines(density, random.Random(seed), lines))
    hour = FIRST_HOUR
    while True:
        yield block.replace(_HOUR, hour.strftime("%Y-%m-%dT%H").encode())
        hour += timedelta(hours=1)


def _lines(density: float, dice: random.Random, count: int) -> Iterator[bytes]:
    matters, noise = list(_dealt(MATTERS)), list(_dealt(NOISE))
    hour = _HOUR.decode()
    for number in range(count):
        seconds = number * 3600 / count
        stamp = f"{hour}:{int(seconds // 60):02}:{seconds % 60 + dice.random() / 100:012.9f}Z"
        if number % _LONG_EVERY == _LONG_EVERY // 2:
            make = _LONG
        else:
            make = dice.choice(matters if dice.random() < density else noise)
        message = make(dice)
        own = f"{stamp[:-7]}Z " if message[:4] in {"INF ", "WRN ", "ERR ", "DBG "} else ""
        yield f"{stamp} {own}{message}\n".encode(errors="surrogateescape")


def _dealt(kinds: tuple[tuple[int, Make], ...]) -> Iterator[Make]:
    for weight, make in kinds:
        yield from [make] * weight
