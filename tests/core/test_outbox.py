"""Messages: at least once, to whom they matter, never for ever."""

from __future__ import annotations

from datetime import timedelta

from tests.core.scripts import ASSET, T0, Talk, plan_of, started, written
from watcher.core.commands import Command, Notify
from watcher.core.events import (
    Booted,
    DeadlineReached,
    Event,
    NotificationFailed,
    NotificationSent,
    OperatorAsked,
)
from watcher.core.events import Move as Moves
from watcher.core.orchestrator import step
from watcher.core.outbox import GIVE_UP_AFTER, LONGEST_RETRY
from watcher.core.plan import Destination, Plan
from watcher.core.silence import next_deadline
from watcher.core.state import State
from watcher.core.turn import Turn

MAIL = Destination("mail", frozenset({"held", "run_done"}))
CHAT = Destination("chat", frozenset({"held"}))


class Post:
    """A state with one message to both destinations, stepped by hand: nothing is delivered by itself."""

    def __init__(self) -> None:
        plan = plan_of(ASSET)
        self.plan = Plan(plan.name, plan.profile, plan.window, plan.stages, destinations=(MAIL, CHAT))
        turn = Turn(State.begin(self.plan), T0, self.plan)
        turn.tell(("held",), "failure", "title", "body")
        turn.tell(("run_done",), "success", "done", "body")
        turn.tell(("unheard_of",), "info", "nobody wants it", "")
        self.state, self.now = turn.state, T0
        self.out: list[tuple[int, str]] = []
        self.tell(DeadlineReached())

    def tell(self, event: Event) -> None:
        self.state, commands = step(self.state, event, self.now, self.plan)
        self.out = [(each.message, each.destination) for each in _notes(commands)]

    def wait(self) -> None:
        due = next_deadline(self.state, self.plan)
        assert due is not None
        self.now = due
        self.tell(DeadlineReached())


def _notes(commands: tuple[Command, ...]) -> list[Notify]:
    return [each for each in commands if isinstance(each, Notify)]


def test_a_message_goes_once_to_everybody_who_wants_its_kind() -> None:
    post = Post()
    assert post.out == [(1, "mail"), (1, "chat"), (2, "mail")]
    post.tell(DeadlineReached())
    assert post.out == []
    assert next_deadline(post.state, post.plan) is None


def test_a_delivered_message_leaves_the_outbox() -> None:
    post = Post()
    for number, destination in list(post.out):
        post.tell(NotificationSent(number, destination))
    assert post.state.outbox.messages == ()
    post.tell(NotificationSent(1, "mail"))
    post.tell(NotificationFailed(1, "mail", "late"))
    post.tell(NotificationSent(9, "nobody"))
    assert (post.state.outbox.messages, post.state.outbox.failed) == ((), 0)


def test_a_failed_delivery_is_tried_again_later_and_later_and_given_up_after_a_day() -> None:
    """The other destination has its message long since; nobody gets it twice."""
    post = Post()
    post.tell(NotificationSent(1, "chat"))
    post.tell(NotificationSent(2, "mail"))
    waits = []
    while post.state.outbox.messages:
        before = post.now
        post.tell(NotificationFailed(1, "mail", "550"))
        if not post.state.outbox.messages:
            break
        assert post.out == []
        post.wait()
        assert post.out == [(1, "mail")]
        waits.append(post.now - before)
    assert waits[:4] == [timedelta(seconds=each) for each in (5, 10, 20, 40)]
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_RETRY
    assert timedelta(0) <= post.now - T0 - GIVE_UP_AFTER <= LONGEST_RETRY
    assert (post.state.outbox.failed, post.state.outbox.last_error) == (1, "mail: 550")
    assert next_deadline(post.state, post.plan) is None


def test_after_a_crash_what_was_on_its_way_is_sent_again() -> None:
    post = Post()
    post.tell(NotificationSent(1, "chat"))
    post.tell(Booted())
    assert post.out == [(1, "mail"), (2, "mail")]


def test_an_ended_run_still_delivers() -> None:
    post = Post()
    post.tell(NotificationFailed(1, "mail", "550"))
    post.tell(OperatorAsked(Moves.ABORT, "because"))
    post.wait()
    assert post.out == [(1, "mail")]


def test_the_summary_says_what_was_concluded_how_long_it_took_and_what_was_repeated() -> None:
    talk = Talk(plan_of(ASSET, last=2, inbox=True)).up().accepted().heard(started("asset", 1, 2), written("asset", 1))
    talk.restarts().comes_back().accepted().asked(Moves.SKIP, "asset", 2).wait(hours=1)
    body = talk.notes[-1].body
    assert talk.titles()[-1] == "repair done"
    assert "asset: 1/2 days done, 1 skipped, 1 requested more than once" in body
    assert "the whole run took 0m 00s, 2 request(s)" in body
