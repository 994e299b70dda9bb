"""An event loop in which time passes only when everybody waits, and the same program takes the same steps.

There is no selector and no thread here; nothing from outside can wake the loop. When no callback is ready the clock
jumps to the next timer. Tasks hash by their number and not by their address, because asyncio keeps them in sets and
cancels them in the order of those. ``steps`` counts callbacks: a step is all that happens between two awaits.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio import base_events
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, TypeVar

NEVER = float("inf")
T = TypeVar("T")


class Stuck(Exception):
    """Nothing will ever happen again, or too much happens without time going by."""


class VirtualLoop(base_events.BaseEventLoop):
    """Runs callbacks in the order in which they became due; ``time()`` starts at 0. ``most_steps`` ends a busy loop."""

    # What BaseEventLoop keeps and typeshed does not tell.
    _ready: Any
    _scheduled: Any
    _timer_cancelled_count: int

    def __init__(self, most_steps: float = NEVER) -> None:
        super().__init__()
        self.steps = 0
        self._now = 0.0
        self._most_steps = most_steps
        self._alarm_at = NEVER
        self._alarm: Callable[[], object] = lambda: None
        numbers = count()

        def numbered(_: asyncio.AbstractEventLoop, work: Any, /, **more: Any) -> Any:  # noqa: ANN401  a task factory
            return _Numbered(work, next(numbers), loop=self, **more)

        self.set_task_factory(numbered)

    def time(self) -> float:
        """Seconds since the loop began."""
        return self._now

    def after_steps(self, steps: int, alarm: Callable[[], object]) -> None:
        """Call ``alarm`` before the callback that is so many steps ahead; there is one alarm, the last one set."""
        self._alarm_at, self._alarm = self.steps + max(1, steps), alarm

    def _process_events(self, event_list: list[Any]) -> None:
        """There are none: nothing from outside is listened to."""

    def _run_once(self) -> None:
        ready, timers = self._ready, self._scheduled
        while timers and timers[0]._cancelled:  # noqa: SLF001 - BaseEventLoop does the same
            heapq.heappop(timers)._scheduled = False  # noqa: SLF001
            self._timer_cancelled_count -= 1
        if not ready:
            if not timers:
                raise Stuck("everybody waits, and nothing will ever happen")
            self._now = max(self._now, timers[0]._when)  # noqa: SLF001
        while timers and timers[0]._when <= self._now:  # noqa: SLF001
            timer = heapq.heappop(timers)
            timer._scheduled = False  # noqa: SLF001
            if timer._cancelled:  # noqa: SLF001
                self._timer_cancelled_count -= 1
            else:
                ready.append(timer)
        for _ in range(len(ready)):
            callback = ready.popleft()
            if callback._cancelled:  # noqa: SLF001
                continue
            self.steps += 1
            if self.steps >= self._alarm_at:
                self._alarm_at = NEVER
                self._alarm()
            callback._run()  # noqa: SLF001
        if self.steps > self._most_steps:
            raise Stuck(f"no end after {self.steps} steps, at {self._now:.1f} s")


class _Numbered(asyncio.Task[Any]):
    """A task that hashes by its number."""

    def __init__(self, work: Coroutine[Any, Any, Any], number: int, **more: Any) -> None:  # noqa: ANN401
        self._number = number
        super().__init__(work, **more)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


def run(main: Callable[[VirtualLoop], Coroutine[Any, Any, T]], most_steps: float = NEVER) -> T:
    """Run ``main`` to its end in a loop of its own; whatever it leaves behind is cancelled."""
    loop = VirtualLoop(most_steps)
    try:
        return loop.run_until_complete(main(loop))
    finally:
        left = [task for task in asyncio.all_tasks(loop) if not task.done()]
        for task in left:
            task.cancel()
        loop._most_steps = NEVER  # noqa: SLF001 - our own
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()
