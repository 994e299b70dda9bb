"""Deliberate bugs: each is caught by a table by name. The deep profile lets the state machine look for them as well."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.core import test_completion as completed
from tests.core import test_requests as requested
from tests.core import test_silence as silent
from tests.core.scripts import written
from tests.core.test_properties import Repair
from watcher.core import completion, counting, judging, lost, orchestrator, requests, silence, turn
from watcher.core.events import Epoch, Fact
from watcher.core.state import Answer, Open
from watcher.core.turn import Turn

DEEP = os.environ.get("HYPOTHESIS_PROFILE") == "deep"


@dataclass(frozen=True)
class Mutant:
    """A bug, how to put it in, and the table that notices. ``found``: the state machine finds it too."""

    bug: str
    put_in: Callable[[pytest.MonkeyPatch], None]
    witness: Callable[[], None]
    found: bool = True


def any_epoch(patch: pytest.MonkeyPatch) -> None:
    right = counting.is_of_request

    def wrong(held: Open, wanted: Epoch | None, fact: Fact, _epoch: Epoch | None) -> bool:
        return right(held, wanted, fact, wanted)

    for module in (counting, completion, orchestrator, lost):
        patch.setattr(module, "is_of_request", wrong)


def any_time(patch: pytest.MonkeyPatch) -> None:
    def wrong(_held: Open, wanted: Epoch | None, _fact: Fact, epoch: Epoch | None) -> bool:
        return epoch == wanted

    for module in (counting, completion, orchestrator, lost):
        patch.setattr(module, "is_of_request", wrong)


def no_start_line_needed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(counting, "_in_order", lambda *_: True)


def silence_is_death(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(silence, "_never_arrived", lambda *_: True)


def gaps_do_not_matter(patch: pytest.MonkeyPatch) -> None:
    right = silence._never_arrived
    patch.setattr(silence, "_never_arrived", lambda t, name, held: right(t, name, replace(held, gapless=True)))


def quiet_without_hearing(patch: pytest.MonkeyPatch) -> None:
    right = silence.listen

    def wrong(each: Turn) -> None:
        if each.state.log.blind_since is None:
            each.set_log(heard_until=each.now)
        right(each)

    patch.setattr(orchestrator, "listen", wrong)


def one_provider_is_enough(patch: pytest.MonkeyPatch) -> None:
    for module in (judging, turn):
        patch.setattr(module, "known_providers", lambda *_: frozenset())


def two_requests_at_once(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(requests, "_is_open", lambda _: False)


def forgets_what_was_in_flight(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lost, "lose", lambda each, name, _: each.set_stage(name, open=None))


def a_death_of_ours_proves_that_nothing_was_sent(patch: pytest.MonkeyPatch) -> None:
    right = orchestrator._boot

    def wrong(each: Turn) -> None:
        for stage in each.state.stages:
            if stage.open is not None and stage.open.answer is Answer.AWAITED:
                requests._take_back(each, stage.name, "surely not sent")
        right(each)

    patch.setattr(orchestrator, "_boot", wrong)


def every_start_line_is_ours(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(orchestrator, "_is_asked", lambda *_: True)


def hours_are_days(patch: pytest.MonkeyPatch) -> None:
    for module in (counting, completion):
        patch.setattr(module, "HOURLY", "never")


def emptiness_is_not_seen(patch: pytest.MonkeyPatch) -> None:
    right = completion.learn
    wrong = lambda each, fact, epoch: right(each, replace(fact, rows_out=fact.rows_out or 1), epoch)  # noqa: E731
    patch.setattr(orchestrator, "learn", wrong)


def stages_do_not_wait(patch: pytest.MonkeyPatch) -> None:
    right = requests._next_window

    def wrong(each: Turn, name: str) -> object:
        return right(each, each.plan.stages[-1].name) or right(each, name)

    patch.setattr(requests, "_next_window", wrong)
    ask = requests._ask
    patch.setattr(requests, "_ask", lambda each, _, window: ask(each, each.plan.stages[-1].name, window))


def death_voids_what_is_proven(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(requests, "_is_lost", lambda *_: True)


def waits_for_ever(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(silence, "_deafness", lambda *_: [])


def stale_lines_do_not_count() -> None:
    completed.test_rule_1_what_does_not_count(written("asset", 2, **completed.moved_by(seconds=-6)), "stale")


def hourly_lines_do_not_count() -> None:
    completed.test_rule_1_what_does_not_count(written("asset", 2, resolution="1h"), "hourly")


def without_a_start_line_in_a_gap() -> None:
    silent.test_rule_10_else_nobody_knows("a gap")


MUTANTS = [
    Mutant("facts of any epoch count", any_epoch, completed.test_rule_1_facts_of_another_epoch_do_not_count),
    Mutant("facts of any time count", any_time, stale_lines_do_not_count, found=False),
    Mutant(
        "nothing waits for the start line",
        no_start_line_needed,
        completed.test_rule_1_nothing_counts_before_the_start_line,
    ),
    Mutant(
        "silence leads to another request",
        silence_is_death,
        silent.test_rule_10_a_pipeline_without_start_line_is_unclear,
    ),
    Mutant("gaps do not matter", gaps_do_not_matter, without_a_start_line_in_a_gap, found=False),
    Mutant("quiet needs no hearing", quiet_without_hearing, silent.test_rule_4_quiet_only_when_heard, found=False),
    Mutant(
        "one provider is enough",
        one_provider_is_enough,
        completed.test_rule_4_reconciliation_needs_the_end_line_of_every_provider,
    ),
    Mutant("two requests at once", two_requests_at_once, requested.test_chunks_are_requests_of_their_own),
    Mutant(
        "what was in flight is forgotten",
        forgets_what_was_in_flight,
        requested.test_in_flight_nothing_else_is_asked_before_the_answer,
    ),
    Mutant(
        "after a crash the request is sent again at once",
        a_death_of_ours_proves_that_nothing_was_sent,
        silent.test_rule_10_our_own_death_before_the_answer_is_listened_for,
    ),
    Mutant(
        "every start line is ours",
        every_start_line_is_ours,
        requested.test_rule_8_before_our_own_start_line_too,
        found=False,
    ),
    Mutant("hours are days", hours_are_days, hourly_lines_do_not_count, found=False),
    Mutant(
        "an emptied store is not seen",
        emptiness_is_not_seen,
        completed.test_rule_5_a_store_emptied_after_it_was_done_is_noticed,
    ),
    Mutant("stages do not wait", stages_do_not_wait, requested.test_stages_are_asked_for_in_order_each_after_the_other),
    Mutant(
        "a death voids what is proven",
        death_voids_what_is_proven,
        requested.test_rule_7_a_new_epoch_voids_only_what_is_not_proven,
    ),
    Mutant("blindness is never told", waits_for_ever, silent.test_what_can_never_be_confirmed_is_told, found=False),
]


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.bug)
def test_a_table_catches_it(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    mutant.witness()
    mutant.put_in(monkeypatch)
    with pytest.raises(AssertionError):
        mutant.witness()


if DEEP:

    @pytest.mark.timeout(600)
    @pytest.mark.parametrize("mutant", [each for each in MUTANTS if each.found], ids=lambda mutant: mutant.bug)
    def test_the_state_machine_finds_it(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
        mutant.put_in(monkeypatch)
        chosen = settings(settings.get_profile("deep"), derandomize=True, database=None, phases=[Phase.generate])
        with pytest.raises(AssertionError):
            run_state_machine_as_test(Repair, settings=chosen)
