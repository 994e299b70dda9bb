"""Messages to people: what is due, what was delivered, what is tried again. At least once, never for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from watcher.core.commands import Notify
from watcher.core.state import Delivery, Message
from watcher.core.turn import Turn

FIRST_RETRY = timedelta(seconds=5)
LONGEST_RETRY = timedelta(hours=1)
GIVE_UP_AFTER = timedelta(hours=24)


def dispatch(turn: Turn) -> None:
    """Ask for every delivery that is due and not on its way."""
    for message in turn.state.outbox.messages:
        for name, delivery in message.deliveries.items():
            if not delivery.sending and delivery.next_at <= turn.now:
                turn.commands.append(Notify(message.number, name, message.title, message.body, message.severity))
                _put(turn, message.number, name, replace(delivery, sending=True))


def delivered(turn: Turn, number: int, destination: str) -> None:
    """A destination took the message: forget this delivery."""
    _put(turn, number, destination, None)


def failed(turn: Turn, number: int, destination: str, reason: str) -> None:
    """Try again later, each time after a longer while; after a day give this delivery up and count it."""
    message = _find(turn, number)
    delivery = message.deliveries.get(destination) if message else None
    if message is None or delivery is None:
        return
    turn.record("trouble", f"message {number} not delivered to {destination}: {reason}")
    outbox = replace(turn.state.outbox, last_error=f"{destination}: {reason}")
    if turn.now - message.at >= GIVE_UP_AFTER:
        turn.set(outbox=replace(outbox, failed=outbox.failed + 1))
        _put(turn, number, destination, None)
        return
    turn.set(outbox=outbox)
    wait = min(FIRST_RETRY * 2 ** min(delivery.attempts, 20), LONGEST_RETRY)
    _put(turn, number, destination, Delivery(turn.now + wait, delivery.attempts + 1))


def forget_what_was_on_its_way(turn: Turn) -> None:
    """After a crash nobody knows whether a message left: it is sent again."""
    for message in turn.state.outbox.messages:
        for name, delivery in message.deliveries.items():
            if delivery.sending:
                _put(turn, message.number, name, replace(delivery, sending=False))


def _find(turn: Turn, number: int) -> Message | None:
    return next((message for message in turn.state.outbox.messages if message.number == number), None)


def _put(turn: Turn, number: int, destination: str, delivery: Delivery | None) -> None:
    """Replace one delivery (None: it is over); a message without deliveries leaves the outbox."""
    message = _find(turn, number)
    if message is None or destination not in message.deliveries:
        return
    deliveries = {name: known for name, known in message.deliveries.items() if name != destination}
    if delivery is not None:
        deliveries[destination] = delivery
    others = [other for other in turn.state.outbox.messages if other.number != number]
    messages = sorted([*others, replace(message, deliveries=deliveries)], key=lambda each: each.number)
    kept = tuple(each for each in messages if each.deliveries)
    turn.set(outbox=replace(turn.state.outbox, messages=kept))
