"""What silence means: quiet, unclear, never arrived, deaf. Hours pass here in no time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

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
    fact,
    plan_of,
    staged,
    started,
    written,
)
from watcher.core.events import (
    Attached,
    Booted,
    CaughtUp,
    DeadlineReached,
    LogRead,
    Meaning,
    Move,
    RequestAccepted,
    RequestUnclear,
    TargetReady,
)
from watcher.core.plan import Evidence, Patience
from watcher.core.silence import next_deadline
from watcher.core.state import HoldKind


def usage(*providers: str, last: int = 3, inbox: bool = False) -> Talk:
    """CloudUsage, asked for and taken, then asset."""
    plan = plan_of(staged(USAGE, providers=providers), ASSET, last=last, inbox=inbox)
    return Talk(plan).up().expect("cloudUsage", 1, last).accepted()


def concluded(talk: Talk) -> bool:
    return talk.state.stage("cloudUsage").status == "done"


# ---- quiet ----------------------------------------------------------------------------------------------------------


def test_rule_4_quiet_after_activity_concludes_the_days() -> None:
    talk = usage().heard(active("cloudUsage", 1, 3, "A")).wait(minutes=4, seconds=59)
    assert talk.statuses("cloudUsage") == "running running running"
    talk.wait(seconds=1)
    assert talk.statuses("cloudUsage") == "done done done"
    assert all(known.inferred for known in talk.state.stage("cloudUsage").days.values())
    assert talk.requests[-1].stage == "asset"


def test_rule_4_every_line_begins_the_quiet_anew() -> None:
    talk = usage().heard(active("cloudUsage", 1, 3, "A")).wait(minutes=4)
    talk.heard(active("cloudUsage", 2, 9, "A")).wait(minutes=4)
    assert not concluded(talk)
    assert concluded(talk.wait(minutes=1))


def test_rule_4_a_line_of_another_window_is_no_activity() -> None:
    talk = usage().heard(active("cloudUsage", 1, 3, "A")).wait(minutes=4)
    talk.heard(active("cloudUsage", 20, 29, "A"), active("cloudUsage", 4, 6, "A")).wait(minutes=1)
    assert concluded(talk)


def test_rule_4_quiet_needs_a_line_that_covers_every_day() -> None:
    talk = usage().heard(active("cloudUsage", 1, 2, "A")).wait(minutes=30)
    assert talk.statuses("cloudUsage") == "running running requested"
    talk.wait(hours=2)
    talk.expect_held(HoldKind.SILENCE, "2023-01-01..2023-01-03")


def test_rule_4_quiet_needs_a_line_of_every_provider() -> None:
    talk = usage("A", "B").heard(active("cloudUsage", 1, 3, "A")).wait(minutes=30)
    assert not concluded(talk)
    assert concluded(talk.heard(active("cloudUsage", 1, 7, "B")).wait(minutes=5))


def test_rule_4_a_provider_seen_elsewhere_is_a_provider() -> None:
    """Learned from a line that is too old to count, of any epoch."""
    old = active("cloudUsage", 20, 22, "B", at=T0 - timedelta(days=1), stamped_by_runtime=True)
    talk = usage().heard(old, epoch=None).heard(active("cloudUsage", 1, 3, "A")).wait(minutes=30)
    assert not concluded(talk)


def test_rule_4_a_pipeline_that_says_when_it_ends_is_not_ended_by_quiet() -> None:
    talk = Talk(plan_of(RECONCILIATION, last=1)).up().accepted().heard(active("reconciliation", 1, 1, "A"))
    talk.wait(hours=1).expect_going()
    talk.wait(hours=1).expect_held(HoldKind.SILENCE, "no line of this stage since")


def test_rule_4_quiet_only_when_heard() -> None:
    """The time is over, but whether the log held another line is not known: it is asked for, and asked for again."""
    talk = usage().heard(active("cloudUsage", 1, 3, "A"))
    talk.attends = False
    talk.wait(minutes=6)
    assert not concluded(talk)
    assert talk.confirms == 3  # at once, then every half minute
    talk.tell(CaughtUp(T0 + timedelta(minutes=4, seconds=59)))
    assert not concluded(talk)
    talk.tell(CaughtUp(T0 + timedelta(minutes=5)))
    assert concluded(talk)


def test_rule_4_a_line_found_while_confirming_counts_first() -> None:
    talk = usage().heard(active("cloudUsage", 1, 3, "A"))
    talk.attends = False
    talk.wait(minutes=5).heard(active("cloudUsage", 1, 3, "A")).tell(CaughtUp(talk.now))
    assert not concluded(talk)
    talk.attends = True
    assert concluded(talk.wait(minutes=5))


def test_rule_4_blind_time_does_not_count_until_it_was_read_again() -> None:
    talk = usage().heard(active("cloudUsage", 1, 3, "A")).wait(minutes=1).blind().wait(minutes=10)
    assert not concluded(talk)
    assert concluded(talk.heals())


def test_rule_4_activity_found_after_blindness_counts_from_its_own_time() -> None:
    talk = usage().heard(active("cloudUsage", 1, 3, "A")).wait(minutes=1).blind().wait(minutes=10)
    talk.tell(Attached(talk.epoch, "pod"))
    talk.heard(active("cloudUsage", 1, 3, "A", at=T0 + timedelta(minutes=9), stamped_by_runtime=True))
    talk.tell(CaughtUp(talk.now))
    assert not concluded(talk)
    assert not concluded(talk.wait(minutes=2))
    assert concluded(talk.wait(minutes=1))


def test_rule_4_nothing_is_concluded_over_a_gap() -> None:
    """The pipeline may have failed in it: only a person knows. Found by the simulation, as a day that was not done."""
    talk = usage().heard(active("cloudUsage", 1, 3, "A")).wait(minutes=4).blind().wait(minutes=3).loses().heals()
    assert not concluded(talk.wait(hours=1))
    assert not concluded(talk.wait(hours=2))
    talk.expect_held(HoldKind.SILENCE, "a part of the log is missing")


def test_rule_4_dead_time_counts_once_the_log_was_read_again() -> None:
    """Our own death: the state is as it was, an hour later."""
    talk = usage().heard(active("cloudUsage", 1, 3, "A"))
    later = Talk(talk.plan, talk.state, talk.now + timedelta(hours=1)).tell(Booted())
    assert not concluded(later)
    assert concluded(later.tell(Attached(later.epoch, "pod")).tell(CaughtUp(later.now)))


def test_rule_4_the_quiet_of_a_pipeline_is_the_plans() -> None:
    patience = Patience(quiet=timedelta(minutes=30))
    talk = Talk(plan_of(staged(USAGE, patience=patience))).up().accepted().heard(active("cloudUsage", 1, 3, "A"))
    assert not concluded(talk.wait(minutes=29))
    assert concluded(talk.wait(minutes=1))


def test_a_failure_line_ends_the_hope_for_quiet() -> None:
    talk = usage().heard(active("cloudUsage", 1, 3, "A"))
    talk.heard(fact(Meaning.WINDOW_FAILED, "cloudUsage", days(1, 7), provider="A"))
    assert talk.statuses("cloudUsage") == "failed failed failed"


# ---- unclear --------------------------------------------------------------------------------------------------------


def test_rule_4_no_line_at_all_is_unclear_after_the_patience_of_the_start() -> None:
    talk = usage(inbox=True).wait(minutes=9, seconds=59).expect_going()
    talk.wait(seconds=1).expect_held(HoldKind.SILENCE, "no line at all", "2023-01-01..2023-01-03")
    assert talk.statuses("cloudUsage") == "unclear unclear unclear"
    assert sum("unclear" in title for title in talk.titles()) == 1


def test_lines_without_the_start_line_are_told_and_nobody_knows_whose_they_are() -> None:
    """They prove no day; nor can it be said that the request never arrived: it is not sent again."""
    talk = unanswered()
    for number in (1, 2, 3):
        talk.heard(written("asset", number))
    speaking(talk, minutes=10).expect_held(HoldKind.SILENCE, "3 line(s) of this stage and no start line", "01-01..")
    assert talk.statuses("asset") == "unclear unclear unclear"


def test_the_patience_counts_from_the_answer() -> None:
    """A slow answer is no silence."""
    talk = Talk(plan_of(ASSET)).up().wait(minutes=3).accepted()
    talk.wait(minutes=9).expect_going()
    talk.wait(minutes=1).expect_held(HoldKind.SILENCE)


def test_no_silence_is_counted_while_the_answer_is_awaited() -> None:
    talk = Talk(plan_of(ASSET)).up()
    assert next_deadline(talk.state, talk.plan) is None
    talk.wait(hours=1).expect_going()


def test_ruling_2_the_patience_of_days_counts_from_the_last_activity() -> None:
    talk = Talk(plan_of(ASSET)).up().accepted().wait(minutes=9).heard(started("asset", 1, 3)).wait(minutes=100)
    talk.heard(written("asset", 1)).wait(minutes=119).expect_going()
    talk.wait(minutes=1).expect_held(HoldKind.SILENCE, "asset 2023-01-02..2023-01-03")
    assert talk.statuses("asset") == "done unclear unclear"


def test_hourly_lines_are_activity() -> None:
    hourly = fact(Meaning.WINDOW_DONE, "asset", days(2), resolution="1h")
    talk = Talk(plan_of(ASSET)).up().accepted().heard(started("asset", 1, 3)).wait(minutes=119)
    talk.heard(hourly).wait(minutes=119).expect_going()


def test_ruling_11_a_log_without_inf_lines_is_suspected() -> None:
    talk = Talk(plan_of(ASSET)).up().accepted().heard(info_lines=0).wait(minutes=10)
    talk.expect_held(HoldKind.SILENCE, "log level")
    other = Talk(plan_of(ASSET)).up().accepted().wait(seconds=1).heard(info_lines=5).wait(minutes=10)
    other.expect_held(HoldKind.SILENCE)
    assert "log level" not in (other.state.reason or "")


def test_a_gap_is_named_as_a_possible_cause() -> None:
    talk = Talk(plan_of(ASSET)).up().accepted().loses().wait(minutes=10)
    talk.expect_held(HoldKind.SILENCE, "a part of the log is missing")


def test_evidence_ends_a_hold_for_silence() -> None:
    talk = Talk(plan_of(ASSET)).up().accepted().heard(started("asset", 1, 3)).wait(hours=2)
    talk.expect_held(HoldKind.SILENCE).heard(written("asset", 2)).expect_going()
    assert talk.statuses("asset") == "running done running"
    assert talk.state.stage("asset").status == "running"


def test_a_start_line_that_comes_after_the_patience_ends_the_hold() -> None:
    """Kubecost queues repairs: the line of ours may come when another one is over."""
    talk = Talk(plan_of(ASSET)).up().accepted().wait(minutes=15).expect_held(HoldKind.SILENCE)
    talk.heard(started("asset", 1, 3)).expect_going()
    talk.heard(written("asset", 1), written("asset", 2), written("asset", 3))
    assert talk.state.status == "done"


def test_ruling_5_after_a_restart_silence_waits_one_patience_of_days_more() -> None:
    talk = Talk(plan_of(ASSET)).up().accepted().wait(minutes=10).expect_held(HoldKind.SILENCE)
    talk = Talk(talk.plan, talk.state, talk.now + timedelta(days=1)).up().expect_going()
    assert talk.statuses("asset") == "running running running"
    talk.wait(minutes=119).expect_going()
    talk.wait(minutes=1).expect_held(HoldKind.SILENCE)


def test_ruling_5_after_a_restart_a_decision_is_still_a_decision() -> None:
    talk = Talk(plan_of(ASSET)).up().accepted().heard(started("asset", 1, 3), written("asset", 1, (0, 0)))
    talk.expect_held(HoldKind.DECISION)
    Talk(talk.plan, talk.state, talk.now + timedelta(days=1)).up().expect_held(HoldKind.DECISION)


def test_ruling_11_holds_are_told_again_every_twelve_hours() -> None:
    talk = usage(inbox=True).wait(minutes=10)
    assert len(talk.titles()) == 2  # started, unclear
    talk.wait(hours=11, minutes=59)
    assert len(talk.titles()) == 2
    talk.wait(hours=24)
    assert [title for title in talk.titles() if "still held" in title] == [
        "cloudUsage: still held since 2023-02-01 12:10Z"
    ] * 2


def test_two_stages_that_are_silent_are_told_one_after_the_other() -> None:
    """A reopened stage and the next one: what ends the first hold does not hide the second silence."""
    plan = plan_of(USAGE, ASSET, last=1, inbox=True)
    talk = Talk(plan).up().accepted().heard(active("cloudUsage", 1, 1, "A")).wait(minutes=5).accepted()
    talk.heard(started("asset", 1), active("cloudUsage", 20, 20, "B"))
    talk.wait(hours=2).expect_held(HoldKind.SILENCE)
    assert (talk.status("cloudUsage", 1), talk.status("asset", 1)) == ("unclear", "unclear")
    assert talk.state.hold is not None
    assert talk.state.hold.stage == "cloudUsage"
    talk.heard(active("cloudUsage", 1, 1, "B")).expect_held(HoldKind.SILENCE, "asset 2023-01-01")
    talk.wait(minutes=5)
    talk.heard(written("asset", 1))
    assert talk.state.stage("asset").status == "done"
    assert talk.wait(minutes=5).state.status == "done"


# ---- rule 10: an answer that never came ------------------------------------------------------------------------------


def unanswered(*stages: object, **options: object) -> Talk:
    """A request of which nobody knows whether it arrived."""
    talk = Talk(plan_of(*(stages or (ASSET,)), **options)).up()  # type: ignore[arg-type]
    return talk.tell(RequestUnclear(1, "time-out"))


def speaking(talk: Talk, **how_long: float) -> Talk:
    """Time passes on a log that speaks of other things."""
    return talk.wait(seconds=1).heard(info_lines=3).wait(**how_long)


def test_rule_10_a_start_line_shows_that_it_arrived() -> None:
    talk = unanswered().wait(minutes=5).heard(started("asset", 1, 3))
    speaking(talk, hours=1).expect_going()
    assert len(talk.requests) == 1


def test_rule_10_without_its_start_line_it_provably_never_arrived() -> None:
    talk = speaking(unanswered(), minutes=10)
    assert [(each.request, each.attempt) for each in talk.requests] == [(1, 1), (2, 2)]
    assert talk.requests[0].window == talk.requests[1].window


@pytest.mark.parametrize("while_catching_up", [False, True])
def test_rule_10_a_start_line_with_a_stamp_from_before_the_request_is_no_absence(while_catching_up: bool) -> None:
    """The node's clock lags: the line does not count, and yet it came. Found by the simulation, as a second request."""
    talk = unanswered().wait(seconds=10)
    line = started("asset", 1, 3, at=T0 - timedelta(seconds=20), stamped_by_runtime=True)
    if while_catching_up:
        talk.blind().tell(Attached(talk.epoch, "pod")).heard(line).tell(CaughtUp(talk.now))
    else:
        talk.heard(line)
    speaking(talk, minutes=12).expect_held(HoldKind.SILENCE, "is the node's clock behind ours?")
    assert len(talk.requests) == 1


@pytest.mark.parametrize("missing", ["the log level", "a gap", "another line"])
def test_rule_10_else_nobody_knows(missing: str) -> None:
    """The log has a gap, says nothing at all, or the pipeline showed that it heard of the window."""
    talk = unanswered()
    match missing:
        case "the log level":
            talk.wait(minutes=10)
        case "a gap":
            speaking(talk.loses(), minutes=10)
        case _:
            refusal = fact(Meaning.COVERAGE_REFUSED, "asset", days(1, 3), resolution="1h")
            speaking(talk.heard(refusal), hours=2)
    talk.expect_held(HoldKind.SILENCE, "not known whether the request arrived (time-out)")
    assert len(talk.requests) == 1


def test_rule_10_lines_from_before_the_request_do_not_show_that_the_log_speaks() -> None:
    talk = unanswered().wait(seconds=1)
    talk.tell(LogRead(talk.epoch, (), 4, 0, 0, 4, T0 - timedelta(seconds=1))).wait(minutes=10)
    talk.expect_held(HoldKind.SILENCE, "log level")


def test_rule_10_a_pipeline_without_start_line_is_unclear() -> None:
    talk = speaking(unanswered(USAGE), minutes=10)
    talk.expect_held(HoldKind.SILENCE, "time-out")
    assert len(talk.requests) == 1


def test_rule_10_never_arrived_needs_a_log_that_was_heard() -> None:
    talk = unanswered().wait(seconds=1).heard(info_lines=3)
    talk.attends = False
    talk.wait(minutes=12)
    assert len(talk.requests) == 1
    talk.tell(CaughtUp(talk.now))
    assert len(talk.requests) == 2


def test_rule_10_sent_again_only_as_often_as_allowed() -> None:
    talk = unanswered(ASSET, attempts=2)
    speaking(talk, minutes=10).tell(RequestUnclear(2, "time-out"))
    speaking(talk, minutes=10).expect_held(HoldKind.DECISION, "requested 2 times", "never arrived")
    assert len(talk.requests) == 2


def test_rule_10_our_own_death_before_the_answer_is_listened_for() -> None:
    """Saved, sent or not, then killed. The log is read on; no second request before the patience of the start."""
    talk = Talk(plan_of(ASSET)).up()
    later = Talk(talk.plan, talk.state, talk.now + timedelta(minutes=1)).up().expect_nothing()
    speaking(later, minutes=8)
    assert later.requests == []
    later.wait(minutes=2)
    assert [each.attempt for each in later.requests] == [2]
    found = Talk(talk.plan, talk.state, talk.now + timedelta(hours=1)).tell(Booted())
    found.tell(Attached(found.epoch, "pod")).tell(TargetReady(found.epoch))
    found.heard(started("asset", 1, 3, at=talk.now + timedelta(seconds=1), stamped_by_runtime=True))
    found.tell(CaughtUp(found.now))
    assert (found.requests, found.statuses("asset")) == ([], "requested requested requested")


# ---- deaf: no stream, no confirmation, no container ------------------------------------------------------------------


def test_while_blind_the_patience_stands_still_and_blindness_has_its_own() -> None:
    talk = Talk(plan_of(ASSET, inbox=True)).up().accepted().heard(started("asset", 1, 3)).blind("no route")
    talk.wait(minutes=14, seconds=59).expect_going()
    talk.wait(seconds=1).expect_held(HoldKind.BLIND, "no log since 2023-02-01 12:00:00Z: no route")
    assert talk.statuses("asset") == "requested requested requested"
    talk.wait(hours=2)
    talk.heals().expect_held(HoldKind.SILENCE)


def test_seeing_again_ends_the_hold_for_blindness() -> None:
    talk = Talk(plan_of(ASSET)).up().accepted().heard(started("asset", 1, 3)).blind().wait(minutes=20)
    talk.expect_held(HoldKind.BLIND).heals().expect_going()


def test_nothing_is_sent_while_blind() -> None:
    talk = Talk(plan_of(ASSET, ALLOCATION)).up().accepted().heard(started("asset", 1, 3)).blind()
    talk.heard(written("asset", 1), written("asset", 2), written("asset", 3)).expect_nothing()
    talk.tell(Attached(talk.epoch, "pod")).expect_nothing()
    talk.tell(CaughtUp(talk.now)).expect("allocation", 1, 3)


def test_a_confirmation_from_before_the_stream_was_lost_makes_nobody_see() -> None:
    """It raced with the loss; were it believed, nobody would ever notice that there is no stream."""
    talk = Talk(plan_of(ASSET)).up().accepted().blind().tell(CaughtUp(talk_time := T0))
    assert talk.state.log.heard_until == talk_time
    talk.wait(minutes=15).expect_held(HoldKind.BLIND)


def test_what_can_never_be_confirmed_is_told() -> None:
    """The stream is open and says nothing, and the second look fails each time: neither quiet nor a wait for ever."""
    talk = usage(inbox=True).heard(active("cloudUsage", 1, 3, "A"))
    talk.attends = False
    talk.wait(minutes=19).expect_going()
    talk.wait(minutes=1).expect_held(HoldKind.BLIND, "cannot be found out")
    assert talk.statuses("cloudUsage") == "running running running"
    confirms = talk.confirms
    talk.wait(minutes=5)
    assert talk.confirms == confirms + 10  # it goes on asking
    talk.attends = True
    talk.wait(minutes=1).expect_going()
    assert concluded(talk)


def test_a_confirmation_that_is_not_needed_any_more_is_forgotten() -> None:
    talk = usage().heard(active("cloudUsage", 1, 3, "A"))
    talk.attends = False
    talk.wait(minutes=6).heard(active("cloudUsage", 1, 3, "A")).wait(minutes=4)
    talk.attends = True
    assert concluded(talk.wait(minutes=30))
    assert talk.state.log.unconfirmed_since is None


def test_a_container_that_never_becomes_ready_is_told() -> None:
    talk = Talk(plan_of(ASSET, inbox=True)).tell(Booted()).tell(Attached(Talk(plan_of(ASSET)).epoch, "pod"))
    talk.tell(CaughtUp(talk.now)).wait(minutes=119)
    assert talk.state.status == "pending"
    talk.wait(minutes=1).expect_held(HoldKind.BLIND, "takes no requests")
    talk.heals().expect_held(HoldKind.BLIND, "takes no requests")
    talk.tell(TargetReady(talk.epoch)).expect("asset", 1, 3)


def test_a_container_that_is_not_ready_while_nothing_is_to_be_asked_is_no_trouble() -> None:
    talk = Talk(plan_of(ASSET)).up().accepted().heard(started("asset", 1, 3))
    paused = Talk(plan_of(ASSET)).asked(Move.PAUSE).tell(Booted()).heals()
    paused.wait(hours=5)
    assert paused.state.status == "paused"
    again = Talk(talk.plan, talk.state, talk.now).tell(Booted()).heals()
    for _ in range(3):
        again.wait(minutes=100).heard(written("asset", 1, at=again.now)).expect_going()


def test_a_run_that_has_ended_has_no_deadlines_but_its_messages() -> None:
    talk = usage().asked(Move.ABORT)
    assert next_deadline(talk.state, talk.plan) is None
    talk.blind().wait(days=2)
    assert talk.state.status == "aborted"


def test_waking_too_early_changes_nothing() -> None:
    talk = usage().heard(active("cloudUsage", 1, 3, "A")).wait(minutes=1)
    before = talk.state
    talk.tell(DeadlineReached())
    assert (talk.state, talk.last) == (before, ())


def test_in_a_recorded_log_time_is_what_its_lines_say() -> None:
    """Its end proves nothing; later lines show that it was quiet, and nobody is ever told that a day is unclear."""
    talk = Talk(plan_of(USAGE, ASSET, replay=True)).heard(active("cloudUsage", 1, 3, "A"))
    talk.heard(started("asset", 1, 3))
    assert talk.statuses("cloudUsage") == "running running running"
    assert next_deadline(talk.state, talk.plan) == T0 + timedelta(minutes=5)
    talk.now += timedelta(days=1)
    talk.tell(DeadlineReached())
    assert talk.statuses("cloudUsage") == "done done done"
    assert talk.statuses("asset") == "requested requested requested"
    assert next_deadline(talk.state, talk.plan) is None


def test_a_written_set_counts_for_a_stage_that_needs_only_quiet() -> None:
    assert USAGE.least is Evidence.QUIET
    talk = usage(last=1).heard(written("cloudUsage", 1, provider="A"))
    known = talk.state.stage("cloudUsage").days[day(1)]
    assert (known.status, known.inferred) == ("done", False)


def test_begun_days_are_covered_for_quiet_too() -> None:
    rules = replace(ALLOCATION, least=Evidence.QUIET)
    talk = Talk(plan_of(rules, last=1)).up().accepted().heard(started("allocation", 1), begun("allocation", 1))
    assert talk.wait(minutes=5).state.status == "done"


def test_an_answer_after_the_first_line_does_not_move_the_silence() -> None:
    talk = Talk(plan_of(ASSET)).up().heard(started("asset", 1, 3)).wait(minutes=1).tell(RequestAccepted(1, "200"))
    assert talk.state.stage("asset").open is not None
    assert next_deadline(talk.state, talk.plan) == T0 + timedelta(hours=2)


def test_rule_4_an_error_of_the_pipeline_forbids_to_conclude_from_quiet() -> None:
    """Activity, then an error that names no day, then quiet: the days are unclear, and the reason tells the error."""
    talk = usage().heard(active("cloudUsage", 1, 3, "A"))
    talk.heard(
        fact(Meaning.TROUBLE, "cloudUsage", None, line="access denied", provider="A", advice="Check the account")
    )
    talk.wait(hours=3)
    talk.expect_held(HoldKind.SILENCE, "access denied", "Check the account")
    assert talk.statuses("cloudUsage") == "unclear unclear unclear"


def test_an_error_of_nobodys_pipeline_is_a_hint_and_nothing_more() -> None:
    """It does not stop a cloud stage from resting, and it explains a silence."""
    trouble = fact(Meaning.TROUBLE, None, None, line="query timed out")
    assert concluded(usage().heard(active("cloudUsage", 1, 3, "A"), trouble).wait(hours=1))
    talk = Talk(plan_of(ASSET)).up().expect("asset", 1, 3).accepted().heard(trouble).wait(hours=3)
    talk.expect_held(HoldKind.SILENCE, "query timed out")


def test_lines_stamped_before_the_request_while_we_listen_point_to_the_nodes_clock() -> None:
    """A node whose clock lags: its lines do not count, and the reason says why instead of guessing at the log level."""
    talk = Talk(plan_of(ASSET)).up().expect("asset", 1, 3).accepted()
    early = talk.now - timedelta(minutes=1)
    talk.heard(started("asset", 1, 3, at=early, stamped_by_runtime=True), info_lines=0).wait(hours=3)
    talk.expect_held(HoldKind.SILENCE, "clock")
    assert "log level" not in (talk.state.reason or "")
