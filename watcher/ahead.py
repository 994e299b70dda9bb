"""Work that lets go of the interpreter (reading, inflating, the native search), done in a thread, a little ahead."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

DEPTH = 4  # items that wait for the caller at the most


class Ahead(Generic[T, R]):
    """Iterates over ``items`` with what ``work`` says of each. Raises what either raises, where it raised it.

    A context: the thread ends with it, whether or not all was taken.
    """

    def __init__(self, items: Iterator[T], work: Callable[[T], R]) -> None:
        self._items = items
        self._work = work
        self._ready: deque[tuple[T, R]] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="ahead", daemon=True)

    def __enter__(self) -> Ahead[T, R]:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._thread.join()

    def __iter__(self) -> Iterator[tuple[T, R]]:
        while True:
            with self._changed:
                while not self._ready and not self._ended:
                    self._changed.wait()
                if not self._ready:
                    break
                item = self._ready.popleft()
                self._changed.notify_all()
            yield item
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            for item in self._items:
                done = self._work(item)
                with self._changed:
                    while len(self._ready) >= DEPTH and not self._ended:
                        self._changed.wait()
                    if self._ended:
                        return
                    self._ready.append((item, done))
                    self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001  it belongs to the caller
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
