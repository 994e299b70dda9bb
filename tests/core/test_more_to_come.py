"""Nothing is asked for while it is known that more has happened: found by the simulation, on a slow disk."""

from __future__ import annotations

from tests.core.scripts import ASSET, E1, E2, T0, plan_of, staged
from watcher.core.commands import Command, Request
from watcher.core.events import Attached, Booted, CaughtUp, Event, StreamLost, TargetReady
from watcher.core.orchestrator import step
from watcher.core.state import State

PLAN = plan_of(staged(ASSET))
UP: tuple[Event, ...] = (Booted(), Attached(E1, "pod"), TargetReady(E1), CaughtUp(T0))


def told(*events: Event, state: State | None = None, more_after: bool = False) -> tuple[State, list[Command]]:
    """What the core makes of events that all wait already; ``more_after``: others come behind them."""
    state = state or State.begin(PLAN)
    found: list[Command] = []
    for number, event in enumerate(events, start=1):
        state, commands = step(state, event, T0, PLAN, more=more_after or number < len(events))
        found += commands
    return state, found


def requests(commands: list[Command]) -> int:
    return sum(isinstance(command, Request) for command in commands)


def test_the_last_of_the_waiting_events_lets_the_request_go() -> None:
    _, commands = told(*UP)
    assert requests(commands) == 1


def test_while_more_waits_nothing_is_asked_for_and_the_next_event_decides() -> None:
    state, commands = told(*UP, more_after=True)
    assert requests(commands) == 0
    _, commands = told(CaughtUp(T0), state=state)
    assert requests(commands) == 1


def test_a_loss_that_waits_behind_the_all_clear_is_heard_of_first() -> None:
    """The container was heard and ready, and has died since: the request would have reached the next one unnoticed."""
    state, commands = told(*UP, StreamLost("the stream ended"))
    assert requests(commands) == 0
    _, commands = told(Attached(E2, "pod"), TargetReady(E2), CaughtUp(T0), state=state)
    assert [command.attempt for command in commands if isinstance(command, Request)] == [1]
