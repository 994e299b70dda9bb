"""The status document: its shape is a promise (CONTRACT §4), and so is the exit code."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.core.scripts import ALLOCATION, ASSET, E2, T0, Talk, days, fact, plan_of, started, written
from watcher.core.events import LogRead, Meaning, Move
from watcher.core.moves import RunStatus
from watcher.core.state import State
from watcher.core.view import SHOWN_EVIDENCE, exit_code, view


def test_the_document_has_the_promised_shape() -> None:
    talk = Talk(plan_of(ASSET, ALLOCATION, inbox=True)).up().accepted().wait(seconds=1)
    talk.heard(started("asset", 1, 3), written("asset", 1))
    shown = view(talk.state, talk.now)
    assert json.loads(json.dumps(shown)) == shown
    assert shown["run"] == {
        "name": "run",
        "profile": "test",
        "window": {"start": "2023-01-01T00:00:00Z", "end": "2023-01-04T00:00:00Z"},
        "state": "running",
        "reason": None,
        "started_at": "2023-02-01T12:00:00Z",
        "finished_at": None,
        "eta": None,
    }
    assert [stage["name"] for stage in shown["stages"]] == ["asset", "allocation"]
    asset = shown["stages"][0]
    assert {key: asset[key] for key in asset if key != "days"} == {
        "name": "asset",
        "state": "running",
        "reason": None,
        "days_total": 3,
        "days_done": 1,
        "requests": 1,
        "started_at": "2023-02-01T12:00:00Z",
        "finished_at": None,
        "eta": None,
    }
    assert asset["days"][0] == {
        "day": "2023-01-01",
        "state": "done",
        "inferred": False,
        "attempts": 1,
        "rows_in": 19,
        "rows_out": 3,
        "seconds": 0.5,
        "at": "2023-02-01T12:00:01Z",
        "reason": None,
        "evidence": written("asset", 1).line,
    }
    assert shown["log"] == {
        "lines": 2,
        "matched": 2,
        "near_missed": 0,
        "last_line_at": "2023-02-01T12:00:01Z",
        "connected": True,
        "reconnects": 0,
        "gaps": [],
        "epoch": "pod-1/container-1",
    }
    assert shown["notifications"] == {"pending": 0, "failed": 0}
    assert shown["version"] == 1


def test_the_log_is_counted() -> None:
    talk = Talk(plan_of(ASSET)).up().tell(LogRead(E2, (), 10, 4, 2, 7, T0)).tell(LogRead(E2, (), 5, 1))
    talk.blind().heals().loses("rotated")
    log = view(talk.state, talk.now)["log"]
    assert (log["lines"], log["matched"], log["near_missed"], log["reconnects"]) == (15, 5, 2, 1)
    assert log["gaps"] == [{"from": None, "to": None, "cause": "rotated", "pod": None, "container": None}]
    assert log["last_line_at"] == "2023-02-01T12:00:00Z"


def test_the_pace_of_a_stage_says_when_it_may_end() -> None:
    """From two days on, and only where something is left."""
    talk = Talk(plan_of(ASSET, ALLOCATION, last=4)).up().accepted().heard(started("asset", 1, 4))
    talk.wait(minutes=10).heard(written("asset", 1))
    assert view(talk.state, talk.now)["stages"][0]["eta"] is None
    talk.wait(minutes=10).heard(written("asset", 2))
    shown = view(talk.state, talk.now)
    assert shown["stages"][0]["eta"] == "2023-02-01T12:40:00Z"
    assert shown["stages"][1]["eta"] is None
    assert shown["run"]["eta"] is None  # nothing is known of allocation
    assert view(talk.state, talk.now + timedelta(hours=1))["stages"][0]["eta"] == "2023-02-01T13:20:00Z"
    assert view(talk.state, None)["stages"][0]["eta"] is None


def test_in_the_last_stage_the_run_ends_with_it() -> None:
    talk = Talk(plan_of(ASSET, last=4)).up().accepted().heard(started("asset", 1, 4)).wait(minutes=10)
    talk.heard(written("asset", 1), written("asset", 2))
    shown = view(talk.state, talk.now)
    assert shown["run"]["eta"] == shown["stages"][0]["eta"] == "2023-02-01T12:20:00Z"
    talk.asked(Move.PAUSE)
    talk.heard(written("asset", 3), written("asset", 4))
    assert view(talk.state, talk.now)["run"]["eta"] is None


def test_long_evidence_is_cut() -> None:
    talk = Talk(plan_of(ASSET, last=1)).up().accepted()
    talk.heard(started("asset", 1), replace(written("asset", 1), line="x" * 9000))
    assert view(talk.state, None)["stages"][0]["days"][0]["evidence"] == "x" * SHOWN_EVIDENCE


@pytest.mark.parametrize(
    ("status", "code"),
    [("failed", 1), ("aborted", 5), ("held", 3), ("running", 3), ("pending", 3), ("paused", 3)],
)
def test_exit_codes_of_runs_that_are_not_done(status: str, code: int) -> None:
    assert exit_code(replace(State.begin(plan_of(ASSET)), status=RunStatus(status))) == code


def test_exit_code_of_a_done_run_is_0_only_if_every_day_is_done() -> None:
    talk = Talk(plan_of(ASSET)).up().accepted().heard(started("asset", 1, 3), written("asset", 1), written("asset", 2))
    skipped = Talk(talk.plan, talk.state, talk.now).asked(Move.SKIP, "asset", 3)
    assert (skipped.state.status, exit_code(skipped.state)) == ("done", 3)
    talk.heard(written("asset", 3))
    assert (talk.state.status, exit_code(talk.state)) == ("done", 0)


def test_a_failure_is_shown_with_its_reason() -> None:
    talk = Talk(plan_of(ASSET)).up().accepted()
    talk.heard(fact(Meaning.WINDOW_FAILED, "asset", days(2), resolution="1d", advice="Check the metrics."))
    shown = view(talk.state, talk.now)
    assert (shown["run"]["state"], shown["stages"][0]["state"]) == ("failed", "failed")
    assert "Check the metrics." in shown["run"]["reason"]
    assert "Check the metrics." in shown["stages"][0]["days"][1]["reason"]
    assert exit_code(talk.state) == 1
