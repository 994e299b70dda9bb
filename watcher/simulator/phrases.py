"""What Kubecost says: the texts of its lines, without envelope.

Their shapes come from Kubecost's own documents, from issue threads and, for CloudCost, from its open source. Nobody has
published a line that CloudUsage prints in a repair.
"""

from __future__ import annotations

from datetime import datetime

from watcher.core.window import Window


def span(window: Window) -> str:
    """A window as most lines print it: ``[2023-01-01T00:00:00+0000, 2023-01-02T00:00:00+0000)``."""
    return f"[{_moment(window.start)}, {_moment(window.end)})"


def _moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S+0000")


def _go_moment(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S +0000 UTC")


def go_duration(seconds: float) -> str:
    """A duration as Go prints it: ``220ns``, ``68.417µs``, ``924.827959ms``, ``17.24s``, ``1m52.9s``."""
    nanos = round(seconds * 1e9)
    for unit, size in (("ns", 1), ("µs", 10**3), ("ms", 10**6)):
        if nanos < size * 1000:
            return _decimal(nanos, size) + unit
    minutes, rest = divmod(nanos, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    text = _decimal(rest, 10**9) + "s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text


def _decimal(nanos: int, size: int) -> str:
    whole, rest = divmod(nanos, size)
    digits = len(str(size)) - 1
    fraction = f"{rest:0{digits}d}".rstrip("0") if digits else ""
    return f"{whole}.{fraction}" if fraction else str(whole)


# ---- asset and allocation -------------------------------------------------------------------------------------------


def repairing(kind: str, identity: str, window: Window, resolution: str = "1d") -> str:
    """A store (``Asset``, ``Allocation``) takes up a repair."""
    start, end = _go_moment(window.start), _go_moment(window.end)
    return f"ETL: {kind}[{resolution}]: ETLStore.Repair[{identity}]: repairing {start}, {end}"


def day_starting(identity: str, day: Window) -> str:
    """v1.99: the allocation store begins a day of a repair."""
    return f"ETL: Allocation[ETL[allocations][1d]]: Repair[{identity}]: starting {span(day)}"


def aggregated(store: str, window: Window, rows: tuple[int, int], seconds: float) -> str:
    """A store has written a set. ``store`` is how it calls itself in this version."""
    return f"{store}: run: aggregated {span(window)} from {rows[0]} to {rows[1]} in {go_duration(seconds)}"


def cannot_repair(kind: str, resolution: str, window: Window, coverage: Window) -> str:
    """A store refuses a window outside its coverage."""
    return f"ETL: {kind}[{resolution}]: Repair: error: cannot repair {span(window)}: coverage is {span(coverage)}"


def loaded(kind: str, identity: str, window: Window, coverage: Window, percent: float) -> str:
    """A store has read one set from its file at start-up."""
    return (
        f"ETL: {kind}[1h]: ETLStore[{identity}]: build: completed {span(window)} from backup in 2.128863ms: "
        f"coverage {span(coverage)} ({percent:.1f}% complete)"
    )


# ---- the cloud pipelines --------------------------------------------------------------------------------------------


def query_cloud_usage(key: str, word: str, identity: str, window: Window) -> str:
    """CloudUsage asks a provider for its bill; ``word`` is Run, Build or Repair."""
    return f"ETL: CloudUsage[{key}]: {word}[{identity}]: QueryCloudUsage {span(window)}"


def reconciled(key: str, identity: str, window: Window) -> str:
    """The only line of all pipelines that ends a repair."""
    return f"ETL: Asset[1d]: Reconciliation[{key}]: Repair[{identity}]: repair complete for {span(window)}"


def reconciled_in(key: str, identity: str, window: Window, seconds: float) -> str:
    """The timer that follows the end of a reconciliation."""
    work = f"ETL: Asset[1d]: Reconciliation[{key}]: Repair[{identity}]: total elapsed time for {span(window)}"
    return f"[Profiler] {go_duration(seconds)}: {work}"


def building_window(key: str, window: Window) -> str:
    """CloudCost begins a block; nothing at level info ends one."""
    return f"CloudCost[{key}]: ingestor: building window {span(window)}"


def get_cloud_cost(key: str, window: Window) -> str:
    """The query of an AWS integration for a block."""
    return f"AthenaIntegration[{key}]: GetCloudCost: {span(window)}"


def build_failed(key: str, window: Window) -> str:
    """A block that a provider did not give."""
    return f"CloudCost[{key}]: ingestor: build failed for window {span(window)}: GetCloudCost: access denied"


def boundary_error(requested: Window, supported: Window) -> str:
    """The tail that ends in a hundred percent though nothing succeeded."""
    return (
        f"boundary error: requested {span(requested)}; supported {span(supported)}: ETL: Asset[1d] is 100.0% complete"
    )
