"""The metrics say what the status document says, in Prometheus's words."""

from __future__ import annotations

import copy
from datetime import UTC, date, datetime
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from watcher.core.moves import DayStatus, RunStatus, StageStatus
from watcher.core.plan import Evidence, Plan, StagePlan, StageRules
from watcher.core.state import State
from watcher.core.view import view
from watcher.core.window import Window
from watcher.metrics import Metrics


def day(number: int, state: str) -> dict[str, Any]:
    return {"day": f"2023-01-{number:02d}", "state": state, "attempts": 1}


DOCUMENT: dict[str, Any] = {
    "version": 1,
    "run": {"name": "r", "profile": "kubecost-1.99", "state": "running", "reason": None},
    "stages": [
        {
            "name": "asset",
            "state": "done",
            "days_total": 4,
            "days_done": 4,
            "requests": 2,
            "days": [day(n, "done") for n in range(1, 5)],
        },
        {
            "name": "cloudUsage",
            "state": "running",
            "days_total": 4,
            "days_done": 1,
            "requests": 1,
            "days": [day(1, "done"), day(2, "running"), day(3, "requested"), day(4, "requested")],
        },
    ],
    "log": {
        "lines": 120,
        "matched": 14,
        "near_missed": 1,
        "last_line_at": "2023-01-05T00:00:01Z",
        "connected": True,
        "reconnects": 3,
        "gaps": [{"from": None, "to": None, "cause": "rotation"}],
        "epoch": "uid-1/container-1",
    },
    "notifications": {"pending": 2, "failed": 5},
}


def samples(document: dict[str, Any]) -> dict[str, float]:
    """Every sample of a scrape as ``name{label="value"}``, read by Prometheus's own parser."""
    text = Metrics(lambda: document).render().decode()
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


@pytest.mark.parametrize(
    ("sample", "value"),
    [
        ("watcher_run_state{state=running}", 1),
        ("watcher_run_state{state=done}", 0),
        ("watcher_stage_state{stage=asset,state=done}", 1),
        ("watcher_stage_state{stage=asset,state=held}", 0),
        ("watcher_stage_state{stage=cloudUsage,state=running}", 1),
        ("watcher_stage_days{stage=cloudUsage,state=requested}", 2),
        ("watcher_stage_days{stage=cloudUsage,state=failed}", 0),
        ("watcher_stage_progress_ratio{stage=asset}", 1.0),
        ("watcher_stage_progress_ratio{stage=cloudUsage}", 0.25),
        ("watcher_stage_requests_total{stage=asset}", 2),
        ("watcher_log_lines_total", 120),
        ("watcher_log_matched_lines_total", 14),
        ("watcher_log_near_missed_lines_total", 1),
        ("watcher_log_last_line_timestamp_seconds", 1672876801),
        ("watcher_log_connected", 1),
        ("watcher_log_reconnects_total", 3),
        ("watcher_log_gaps_total", 1),
        ("watcher_notifications_pending", 2),
        ("watcher_notifications_failed_total", 5),
    ],
)
def test_each_number_of_the_document_has_its_sample(sample: str, value: float) -> None:
    assert samples(DOCUMENT)[sample] == value


def test_the_build_and_the_process_are_told() -> None:
    found = samples(DOCUMENT)
    (build,) = [name for name in found if name.startswith("watcher_build_info{")]
    assert "python=3." in build
    assert "version=" in build
    assert found[build] == 1
    assert found["process_resident_memory_bytes"] > 0


def test_exactly_one_state_is_1_and_none_ever_vanishes() -> None:
    """Alert rules break on series that come and go."""
    found = samples(DOCUMENT)
    run = {name: value for name, value in found.items() if name.startswith("watcher_run_state{")}
    stages = {name: value for name, value in found.items() if name.startswith("watcher_stage_state{")}
    days = [name for name in found if name.startswith("watcher_stage_days{")]
    assert (len(run), sum(run.values())) == (len(RunStatus), 1)
    assert (len(stages), sum(stages.values())) == (2 * len(StageStatus), 2)
    assert len(days) == 2 * len(DayStatus)


def test_no_line_yet_is_no_timestamp_rather_than_1970() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["log"] |= {"last_line_at": None, "connected": False}
    found = samples(document)
    assert "watcher_log_last_line_timestamp_seconds" not in found
    assert found["watcher_log_connected"] == 0


def test_before_a_stage_knows_its_days_there_is_no_ratio() -> None:
    document = copy.deepcopy(DOCUMENT)
    document["stages"] = [
        {"name": "asset", "state": "pending", "days_total": 0, "days_done": 0, "requests": 0, "days": []}
    ]
    found = samples(document)
    assert not [name for name in found if name.startswith("watcher_stage_progress_ratio")]
    assert found["watcher_stage_state{stage=asset,state=pending}"] == 1


def test_no_day_and_no_id_is_a_label() -> None:
    text = Metrics(lambda: DOCUMENT).render().decode()
    for secret in ("2023-01-0", "uid-1", "container-1"):
        assert secret not in text


def test_every_scrape_asks_once_and_shows_that_moment() -> None:
    asked: list[int] = []

    def status() -> dict[str, Any]:
        asked.append(1)
        return DOCUMENT | {"log": DOCUMENT["log"] | {"lines": len(asked)}}

    metrics = Metrics(status)
    assert not asked, "building the metrics asks nothing"
    assert b"watcher_log_lines_total 1.0\n" in metrics.render()
    assert b"watcher_log_lines_total 2.0\n" in metrics.render()
    assert len(asked) == 2


def test_two_instances_do_not_know_each_other() -> None:
    Metrics(lambda: DOCUMENT)
    assert samples(DOCUMENT)["watcher_log_lines_total"] == 120


def test_every_family_says_what_it_is() -> None:
    families = [
        family
        for family in text_string_to_metric_families(Metrics(lambda: DOCUMENT).render().decode())
        if family.name.startswith("watcher_")
    ]
    assert len(families) >= 15
    assert all(family.documentation.endswith((".", "?")) for family in families)
    assert {family.type for family in families} == {"counter", "gauge"}


def test_the_real_projection_of_a_fresh_run_has_all_that_is_read() -> None:
    """Guards the names on both sides: what ``view`` writes is what the metrics read."""
    rules = StageRules(name="asset", prints_start=True, least=Evidence.WINDOW_DONE)
    window = Window.of_days(date(2023, 1, 1), date(2023, 1, 3))
    plan = Plan(name="r", profile="kubecost-1.99", window=window, stages=(StagePlan(rules),))
    found = samples(view(State.begin(plan), datetime(2023, 2, 1, tzinfo=UTC)))
    assert found["watcher_run_state{state=pending}"] == 1
    assert found["watcher_stage_days{stage=asset,state=pending}"] == 3
    assert found["watcher_stage_progress_ratio{stage=asset}"] == 0
    assert found["watcher_log_lines_total"] == 0
