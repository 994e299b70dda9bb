"""Recorded logs: stages open by what the log says, nothing is asked for, the end proves nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tests.core.scripts import (
    ALLOCATION,
    ASSET,
    RECONCILIATION,
    T0,
    USAGE,
    Talk,
    active,
    begun,
    day,
    days,
    ended,
    fact,
    plan_of,
    started,
    written,
)
from watcher.core.events import Fact, LogRead, Meaning
from watcher.core.plan import StageRules
from watcher.core.view import exit_code, view


class Recording(Talk):
    """A recorded log; its lines have no epoch, and no stamps unless they bring some."""

    def __init__(self, *stages: StageRules, last: int = 3) -> None:
        super().__init__(plan_of(*stages, last=last, replay=True))
        self.epoch = None

    def line(self, *facts: Fact) -> Recording:
        for each in facts:
            self.heard(replace(each, at=each.at, stamped_by_runtime=False))
        return self

    def heard(self, *facts: Fact, **_: object) -> Recording:
        self.tell(LogRead(None, facts, len(facts), len(facts)))
        assert self.requests == []
        return self


def test_the_seed_documents_log() -> None:
    """Asset done with its rows; allocation begun in order, two days concluded, the last one not claimed."""
    log = Recording(ASSET, USAGE, RECONCILIATION, ALLOCATION)
    log.line(started("asset", 1, 3), *[written("asset", number) for number in (1, 2, 3)])
    log.line(started("allocation", 1, 3, "bbbbb"), *[begun("allocation", number) for number in (1, 2, 3)])
    log.line(fact(Meaning.WINDOW_FAILED, None, days(90, 96), resolution="1d"))
    log.line(fact(Meaning.COVERAGE_REFUSED, "asset", days(2), resolution="1h"))
    assert log.statuses("asset") == "done done done"
    assert log.statuses("allocation") == "done done running"
    assert log.statuses("cloudUsage") == log.statuses("reconciliation") == "pending pending pending"
    shown = view(log.state, None)
    assert [stage["days_done"] for stage in shown["stages"]] == [3, 0, 0, 2]
    assert [each["inferred"] for each in shown["stages"][3]["days"]] == [True, True, False]
    assert {each["at"] for stage in shown["stages"] for each in stage["days"]} == {None}
    assert exit_code(log.state) == 3


def test_a_whole_run_is_done() -> None:
    log = Recording(ASSET, RECONCILIATION, last=1).line(started("asset", 1), written("asset", 1))
    log.line(ended("reconciliation", 1, "A"))
    assert (log.state.status, exit_code(log.state)) == ("done", 0)


def test_stages_open_in_whatever_order() -> None:
    log = Recording(ASSET, ALLOCATION, last=1).line(started("allocation", 1), written("allocation", 1))
    assert log.status("allocation", 1) == "done"
    log.line(started("asset", 1, mark="bbbbb"), written("asset", 1))
    assert log.state.status == "done"


def test_ruling_7_a_stage_with_start_lines_opens_with_one() -> None:
    log = Recording(ASSET).line(written("asset", 1), written("asset", 2))
    assert log.statuses("asset") == "pending pending pending"


def test_ruling_7_a_stage_without_opens_with_its_first_fact() -> None:
    log = Recording(RECONCILIATION, last=2).line(ended("reconciliation", 2, "A"))
    assert log.statuses("reconciliation") == "requested done"
    hourly = Recording(RECONCILIATION).line(ended("reconciliation", 2, "A", resolution="1h"))
    assert hourly.statuses("reconciliation") == "pending pending pending"


def test_a_repair_of_more_or_other_days_is_cut_to_the_window() -> None:
    log = Recording(ASSET, last=2).line(started("asset", 2, 9), written("asset", 2), written("asset", 3))
    assert log.statuses("asset") == "pending done"
    assert Recording(ASSET, last=2).line(started("asset", 5, 9)).statuses("asset") == "pending pending"


def test_a_repair_of_the_same_days_that_begins_again_is_an_attempt() -> None:
    log = Recording(ALLOCATION, last=2).line(started("allocation", 1, 2), begun("allocation", 1))
    log.line(started("allocation", 1, 2, "bbbbb"))
    assert log.statuses("allocation") == "requested requested"
    assert {known.attempts for known in log.state.stage("allocation").days.values()} == {2}
    log.line(begun("allocation", 2))
    assert log.statuses("allocation") == "requested running"


def test_the_same_start_line_twice_is_one() -> None:
    log = Recording(ASSET).line(started("asset", 1, 3), written("asset", 1), started("asset", 1, 3))
    assert (log.statuses("asset"), log.state.stage("asset").requests) == ("done requested requested", 1)


def test_a_process_that_began_anew_lost_its_work() -> None:
    log = Recording(ASSET).line(started("asset", 1, 3), written("asset", 1), fact(Meaning.PROCESS_STARTED, None, None))
    log.line(written("asset", 2))
    assert log.statuses("asset") == "done pending pending"


def test_an_emptied_day_holds_and_a_later_repair_goes_on() -> None:
    log = Recording(ASSET, last=2).line(started("asset", 1, 2), written("asset", 1, (0, 0)), written("asset", 2))
    assert (log.state.status, log.statuses("asset")) == ("held", "empty done")
    log.line(started("asset", 1, mark="bbbbb"), written("asset", 1))
    assert (log.state.status, exit_code(log.state)) == ("done", 0)


def test_without_stamps_an_emptied_day_is_a_day_of_the_past() -> None:
    log = Recording(ASSET, last=1)
    log.now = T0.replace(year=1970)
    log.line(started("asset", 1), written("asset", 1, (19, 0)))
    assert log.status("asset", 1) == "empty"


def test_a_failed_repair_that_begins_again_goes_on() -> None:
    log = Recording(ASSET, last=1).line(started("asset", 1))
    log.line(fact(Meaning.WINDOW_FAILED, "asset", days(1), resolution="1d"))
    assert (log.state.status, exit_code(log.state)) == ("failed", 1)
    log.line(started("asset", 1, mark="bbbbb"), written("asset", 1))
    assert (log.state.status, exit_code(log.state)) == ("done", 0)


def test_quiet_at_the_end_is_no_quiet() -> None:
    log = Recording(USAGE).line(active("cloudUsage", 1, 3, "A"))
    assert log.statuses("cloudUsage") == "running running running"


def test_lines_after_a_finished_run_change_nothing() -> None:
    log = Recording(ASSET, last=1).line(started("asset", 1), written("asset", 1))
    before = log.state.stages
    log.line(written("asset", 1, (0, 0)), started("asset", 1, mark="bbbbb"))
    assert log.state.stages[0].days == before[0].days
    assert log.state.status == "done"


def test_stamps_of_the_lines_are_the_times_of_the_run() -> None:
    first, last = T0 - timedelta(days=9), T0 - timedelta(days=8)
    log = Recording(ASSET, last=1).line(started("asset", 1, at=first), written("asset", 1, at=last))
    assert (log.state.started_at, log.state.finished_at) == (first, last)
    assert log.state.stage("asset").days[day(1)].at == last
