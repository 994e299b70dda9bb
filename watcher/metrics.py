"""The status document as Prometheus text, next to what the process says about itself.

Every scrape renders the document of that moment, so metrics, page and JSON can't disagree, and a finished run stays
readable. Labels are stages and states, a few dozen series at most: never ids, days or providers.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from watcher import __version__
from watcher.core.moves import DayStatus, RunStatus, StageStatus

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4  # what ``render`` gives


@dataclass(frozen=True, slots=True)
class Workings:
    """What is no matter of the run but of this process: how full its inbox is, and whose turn is how late (seconds)."""

    backlog: int = 0
    room: int = 0
    overdue: Mapping[str, float] = field(default_factory=dict)


class Metrics:
    """Renders the document that ``status`` gives, and the ``workings``; a registry of its own, nothing global."""

    def __init__(self, status: Callable[[], Mapping[str, Any]], workings: Callable[[], Workings] | None = None) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_StatusCollector(status, workings or Workings))
        ProcessCollector(registry=self._registry)  # memory, processor time, file descriptors, start

    def render(self) -> bytes:
        """The metrics of this moment in the Prometheus text format 0.0.4; ``status`` is asked once."""
        return generate_latest(self._registry)


class _StatusCollector(Collector):
    def __init__(self, status: Callable[[], Mapping[str, Any]], workings: Callable[[], Workings]) -> None:
        self._status = status
        self._workings = workings

    def describe(self) -> Iterator[Metric]:
        """Name nothing, so that registering does not ask for the status."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        document = self._status()
        yield InfoMetricFamily(
            "watcher_build",
            "The version of the watcher and of Python.",
            {"version": __version__, "python": platform.python_version()},
        )
        yield from _run(document["run"])
        yield from _stages(document["stages"])
        yield from _log(document["log"])
        yield from _notifications(document["notifications"])
        yield from _process(self._workings())


def _run(run: Mapping[str, Any]) -> Iterator[Metric]:
    states = GaugeMetricFamily("watcher_run_state", "1 for the state the run is in, else 0.", labels=["state"])
    for state, value in _one_of(RunStatus, run["state"]):
        states.add_metric([state], value)
    yield states


def _stages(stages: list[Mapping[str, Any]]) -> Iterator[Metric]:
    states = GaugeMetricFamily(
        "watcher_stage_state", "1 for the state the stage is in, else 0.", labels=["stage", "state"]
    )
    days = GaugeMetricFamily("watcher_stage_days", "Days of the stage in this state.", labels=["stage", "state"])
    ratio = GaugeMetricFamily(
        "watcher_stage_progress_ratio", "Days done of all days of the stage, 0 to 1.", labels=["stage"]
    )
    requests = CounterMetricFamily("watcher_stage_requests", "Repair requests of the stage so far.", labels=["stage"])
    for stage in stages:
        name = stage["name"]
        for state, value in _one_of(StageStatus, stage["state"]):
            states.add_metric([name, state], value)
        for status in DayStatus:
            days.add_metric([name, status.value], sum(day["state"] == status.value for day in stage["days"]))
        if stage["days_total"]:
            ratio.add_metric([name], stage["days_done"] / stage["days_total"])
        requests.add_metric([name], stage["requests"])
    yield from (states, days, ratio, requests)


def _log(log: Mapping[str, Any]) -> Iterator[Metric]:
    yield CounterMetricFamily("watcher_log_lines", "Log lines received.", log["lines"])
    yield CounterMetricFamily("watcher_log_matched_lines", "Log lines that a pattern matched.", log["matched"])
    yield CounterMetricFamily(
        "watcher_log_near_missed_lines", "Log lines that nearly matched: has the format changed?", log["near_missed"]
    )
    yield GaugeMetricFamily("watcher_log_connected", "1 while a stream of the log is open.", float(log["connected"]))
    yield CounterMetricFamily("watcher_log_reconnects", "How often the stream was opened again.", log["reconnects"])
    yield CounterMetricFamily("watcher_log_gaps", "Stretches of log known to be missing.", len(log["gaps"]))
    if log["last_line_at"] is not None:
        yield GaugeMetricFamily(
            "watcher_log_last_line_timestamp_seconds",
            "When the last line was logged.",
            datetime.fromisoformat(log["last_line_at"]).timestamp(),
        )


def _notifications(notifications: Mapping[str, Any]) -> Iterator[Metric]:
    yield GaugeMetricFamily("watcher_notifications_pending", "Messages not yet delivered.", notifications["pending"])
    yield CounterMetricFamily(
        "watcher_notifications_failed", "Deliveries of a message that failed.", notifications["failed"]
    )


def _process(workings: Workings) -> Iterator[Metric]:
    yield GaugeMetricFamily("watcher_backlog_bytes", "Log that was read and waits to be looked at.", workings.backlog)
    yield GaugeMetricFamily("watcher_backlog_limit_bytes", "How much of it there may be.", workings.room)
    late = GaugeMetricFamily(
        "watcher_task_overdue_seconds", "How late the next sign of life of a task is.", labels=["task"]
    )
    for task, seconds in workings.overdue.items():
        late.add_metric([task], seconds)
    yield late


def _one_of(states: type[StrEnum], current: str) -> Iterator[tuple[str, float]]:
    """All states with 1 for the current one: series that never vanish, as alert rules need them."""
    for state in states:
        yield state.value, float(state.value == current)
