"""The ledger: which requests were wrong, and which claims are not true."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import yaml

from watcher.core.window import Window
from watcher.simulator import SCENARIOS, Simulation
from watcher.simulator.judgement import judge
from watcher.simulator.ledger import Ledger, Outcome, Repair
from watcher.simulator.scenarios import Verdict

WINDOW = Window.of_days(date(2023, 1, 1), date(2023, 1, 2))
FIRST = Window.of_days(date(2023, 1, 1), date(2023, 1, 1))
SECOND = Window.of_days(date(2023, 1, 2), date(2023, 1, 2))
NOW = datetime(2024, 1, 1, tzinfo=UTC)
STAGES = ("asset", "cloudUsage", "allocation")


class Story:
    """A ledger that is told a story."""

    def __init__(self) -> None:
        self.ledger = Ledger(STAGES, WINDOW)
        self.life = "one"

    def ask(self, stage: str | None, window: Window | None = WINDOW, outcome: Outcome = Outcome.DONE) -> list[str]:
        """A request and what becomes of it; the violations so far."""
        request = self.ledger.receive(
            at=NOW, stage=stage, window=window, target=f"/{stage}", life=self.life, accepted=True, status=200
        )
        if stage is not None and window is not None:
            repair = Repair(stage, window, request.number, self.life, ("key",))
            repair.days = dict.fromkeys(repair.days, outcome)
            self.ledger.repairs.append(repair)
        return self.ledger.violations()


def test_in_order_one_at_a_time_each_after_the_one_before_is_clean() -> None:
    story = Story()
    for stage in STAGES:
        assert story.ask(stage) == []


def test_chunks_of_a_stage_may_follow_each_other() -> None:
    story = Story()
    for stage in STAGES:
        assert story.ask(stage, FIRST) == []
        assert story.ask(stage, SECOND) == []


def test_a_stage_before_its_predecessor_is_finished() -> None:
    story = Story()
    story.ask("asset", FIRST)
    assert story.ask("cloudUsage") == ["request 2 (/cloudUsage): came before asset was finished for 2023-01-02"]


def test_an_emptied_day_is_not_finished() -> None:
    story = Story()
    story.ask("asset", outcome=Outcome.EMPTY)
    assert "came before asset was finished for 2023-01-01, 2023-01-02" in story.ask("cloudUsage")[0]


def test_two_at_once() -> None:
    story = Story()
    story.ask("asset", FIRST, Outcome.OPEN)
    assert story.ask("asset", SECOND) == ["request 2 (/asset): came while asset was still being worked on"]


def test_going_back() -> None:
    story = Story()
    for stage in STAGES[:2]:
        story.ask(stage)
    assert story.ask("asset")[0] == "request 3 (/asset): goes back to asset after a later stage was asked for"


def test_asking_twice_for_what_was_not_lost() -> None:
    story = Story()
    story.ask("asset", FIRST)
    assert story.ask("asset", FIRST) == ["request 2 (/asset): asks again for 2023-01-01 though nothing was lost"]


def test_asking_again_after_a_restart_is_right() -> None:
    story = Story()
    story.ask("asset", outcome=Outcome.OPEN)
    story.ledger.lose()
    story.life = "two"
    assert story.ask("asset") == []


def test_days_outside_the_window_and_things_that_are_no_repair() -> None:
    story = Story()
    outside = Window.of_days(date(2023, 1, 2), date(2023, 1, 3))
    assert "asks for days outside the run's window" in story.ask("asset", outside)[0]
    assert story.ask(None, None)[1] == "request 2 (/None): not a repair of this run"


def document(state: str, asset: str, reason: str | None = None) -> dict[str, Any]:
    days = [{"day": "2023-01-01", "state": asset, "reason": None}]
    return {
        "run": {"state": state, "reason": None},
        "stages": [{"name": "asset", "state": state, "reason": reason, "days": days}],
    }


def test_a_run_that_ended_as_it_must_is_judged_clean() -> None:
    story = Story()
    story.ask("asset")
    assert judge(Verdict(), story.ledger, 0, document("done", "done")) == []


def test_what_is_called_done_and_is_not_is_found() -> None:
    assert judge(Verdict(), Story().ledger, 0, document("done", "done")) == [
        "asset 2023-01-01 is called done, and is not"
    ]


def test_exit_code_state_and_reason_are_compared_with_the_scenario() -> None:
    verdict = Verdict(3, "held", "asset", ("OOMKilled",))
    ledger = Story().ledger
    assert judge(verdict, ledger, 3, document("held", "pending", "the container was OOMKilled")) == []
    wrong = judge(verdict, ledger, 0, document("done", "pending", "who knows"))
    assert [text.split(",")[0] for text in wrong] == [
        "exit code 0",
        "the run is done",
        "no reason says one of OOMKilled: 'who knows'",
    ]


async def test_kubeconfig_and_configuration_lead_to_the_simulation(tmp_path: Path) -> None:
    simulation = Simulation(SCENARIOS["happy"], window=WINDOW)
    path = tmp_path / "kubeconfig"
    async with simulation:
        simulation.write_kubeconfig(path)
        config = simulation.config(path, tmp_path / "watcher.db")
        urls = (simulation.kube_url, simulation.kubecost_url)
    assert path.stat().st_mode & 0o777 == 0o600
    written = yaml.safe_load(path.read_text())
    assert written["clusters"][0]["cluster"] == {"server": urls[0]}
    assert written["users"][0]["user"]["token"] == simulation.token
    assert config["kubecost"]["url"] == f"{urls[1]}/model"
    assert config["window"] == "2023-01-01T00:00:00Z,2023-01-03T00:00:00Z"
    assert config["logs"]["kubeconfig"] == str(path)
    assert config["patience"] == {"start": "3s", "day": "6s", "quiet": "1s"}
