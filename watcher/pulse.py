"""Whether every long-lived task of ours still moves: what ``/healthz`` asks.

A task says after each piece of real work within how many seconds it will be back (``Pulse.beat``): a bounded wait for
a server, a pause, a read timeout. Who is not back by then, and not after the grace either, stands still: it is stuck in
our own code, or it died and nobody noticed. Trouble of the outside ends every such wait by a timeout of ours, so it
never makes a task late.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

GRACE: Final = 30.0  # seconds; a busy computer is no standstill


class Pulse:
    """The life sign of one task. ``task`` is its name for people."""

    __slots__ = ("due", "task")

    def __init__(self, task: str, due: float) -> None:
        self.task = task
        self.due = due

    def beat(self, wait: float = 0.0, now: float | None = None) -> None:
        """Something was done; the next thing will be within ``wait`` seconds. ``now``: where the time is known."""
        self.due = (_now() if now is None else now) + wait


class Pulses:
    """The tasks that should run at present. Asked and told in the one event loop; its clock never steps back."""

    def __init__(self, grace: float = GRACE) -> None:
        self._grace = grace
        self._expected: list[Pulse] = []
        self._held_up = 0

    @contextmanager
    def expect(self, task: str, wait: float = 0.0) -> Iterator[Pulse]:
        """Inside the block the task should run, and show its first sign of life within ``wait`` seconds.

        To be held by who needs the task, not by the task itself: its death must not take it off the list.
        """
        pulse = Pulse(task, _now() + wait)
        self._expected.append(pulse)
        try:
            yield pulse
        finally:
            self._expected.remove(pulse)

    def hold_up(self) -> None:
        """Somebody else is waited for, who has a pulse of his own: until ``go_on`` nobody here need move."""
        self._held_up += 1

    def go_on(self) -> None:
        """What ``hold_up`` said is over."""
        self._held_up -= 1
        now = _now()
        for pulse in self._expected:
            pulse.due = max(pulse.due, now)

    def overdue(self) -> dict[str, float]:
        """By task, how many seconds ago it should have moved; 0 where all is well."""
        late = dict.fromkeys((pulse.task for pulse in self._expected), 0.0)
        if not self._held_up:
            now = _now()
            for pulse in self._expected:
                late[pulse.task] = max(late[pulse.task], now - pulse.due)
        return late

    def still(self) -> list[str]:
        """One line for each task that stands still."""
        return [
            f"{task} should have moved {late:.0f} s ago" for task, late in self.overdue().items() if late > self._grace
        ]


def _now() -> float:
    return asyncio.get_running_loop().time()
