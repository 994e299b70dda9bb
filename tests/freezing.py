"""Freezes tasks in a test: from then on a task never takes another step, not even to be cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any


class Freezer:
    """A task factory whose tasks can be frozen, by the beginning of their name."""

    def __init__(self) -> None:
        self._frozen: tuple[str, ...] = ()
        self._hanging: list[asyncio.Future[None]] = []

    def __call__(self, loop: asyncio.AbstractEventLoop, work: Any, **more: Any) -> asyncio.Task[Any]:
        wrapped = _Freezable(work, self)
        task = asyncio.Task(wrapped, loop=loop, **more)
        wrapped.task = task
        return task

    def freeze(self, name: str) -> None:
        """All tasks of this name stand still, those too that are still to be made."""
        self._frozen = (name,)

    def thaw(self) -> None:
        """Everything goes on."""
        self._frozen = ()
        for future in self._hanging:
            if not future.done():
                future.set_result(None)

    def is_frozen(self, task: asyncio.Task[Any] | None) -> bool:
        return task is not None and bool(self._frozen) and task.get_name().startswith(self._frozen)

    def hang(self) -> Any:
        future = asyncio.get_running_loop().create_future()
        self._hanging.append(future)
        future._asyncio_future_blocking = True  # what ``await`` tells the task
        return future


class _Freezable(Coroutine[Any, Any, Any]):
    def __init__(self, work: Coroutine[Any, Any, Any], freezer: Freezer) -> None:
        self._work = work
        self._freezer = freezer
        self._thrown: BaseException | None = None
        self.task: asyncio.Task[Any] | None = None

    def send(self, value: Any) -> Any:
        if self._freezer.is_frozen(self.task):
            return self._freezer.hang()
        if self._thrown is not None:
            thrown, self._thrown = self._thrown, None
            return self._work.throw(thrown)
        return self._work.send(value)

    def throw(self, kind: Any, value: Any = None, trace: Any = None) -> Any:
        thrown = kind if isinstance(kind, BaseException) else value if isinstance(value, BaseException) else kind()
        if self._freezer.is_frozen(self.task):
            self._thrown = thrown
            return self._freezer.hang()
        return self._work.throw(thrown)

    def close(self) -> None:
        self._work.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._work.__await__()
