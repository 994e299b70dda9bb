"""Before a request leaves it is found out whether the log was heard to its end just now: found by the simulation.

A stream that lags, or a slow disk, hid that the container was gone; the request reached the next one unnoticed.
"""

from __future__ import annotations

from datetime import timedelta

from tests.core.scripts import ASSET, USAGE, Talk, plan_of, staged, started, written
from watcher.core.events import CaughtUp
from watcher.core.silence import FRESH
from watcher.core.state import HoldKind

PLAN = plan_of(staged(ASSET), staged(USAGE), last=1)


def first_stage_done(minutes: float) -> Talk:
    """The last line of the first stage comes so long after the log was last known to be heard to its end."""
    talk = Talk(PLAN).up().accepted().heard(started("asset", 1))
    talk.attends = False
    talk.wait(minutes=minutes)
    return talk.heard(written("asset", 1))


def test_what_was_heard_just_now_is_good_enough() -> None:
    talk = first_stage_done(minutes=FRESH / timedelta(minutes=2))
    talk.expect("cloudUsage", 1)
    assert talk.confirms == 0


def test_else_the_request_waits_until_everything_up_to_the_wish_was_heard() -> None:
    talk = first_stage_done(minutes=5).expect_nothing()
    assert talk.confirms == 1
    wish = talk.now
    talk.wait(seconds=20).tell(CaughtUp(wish - timedelta(seconds=1))).expect_nothing()
    talk.tell(CaughtUp(wish)).expect("cloudUsage", 1)
    assert talk.state.log.wished_at is None


def test_it_is_asked_again_while_no_answer_comes_and_then_told() -> None:
    talk = first_stage_done(minutes=5).wait(minutes=10)
    assert talk.confirms > 10
    talk.wait(minutes=10).expect_held(HoldKind.BLIND, "cannot be found out")
    talk.attends = True
    talk.wait(minutes=1)
    assert [request.stage for request in talk.requests] == ["asset", "cloudUsage"]
    talk.expect_going()


def test_a_wish_ends_with_the_stream() -> None:
    """Blind, there is nothing to find out; the wish comes again when the log is heard again."""
    talk = first_stage_done(minutes=5).blind()
    assert talk.state.log.wished_at is None
    assert talk.wait(minutes=1).confirms == 1
    talk.heals().expect("cloudUsage", 1)
