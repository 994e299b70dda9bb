"""The disk under the state file: slow, sometimes full. The state file is the real one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from watcher.core.commands import Record
from watcher.core.state import State
from watcher.simulator.weather import Weather
from watcher.store import SaveError, Store

Kept = Callable[[State, str | None, tuple[Record, ...]], None]


class SlowDisk:
    """Saves for one life of the daemon. ``kept`` is told what is on the disk, the moment it is."""

    def __init__(self, store: Store, weather: Weather, rng: Random, kept: Kept, note: Callable[[str], None]) -> None:
        self._store = store
        self._weather = weather
        self._rng = rng
        self._kept = kept
        self._note = note
        self.pulled_out = False

    async def save(self, state: State, cursor: str | None, records: tuple[Record, ...]) -> None:
        """Save now or a little later; between any two of its awaits the machine may die, and nothing is half saved."""
        await self._wait()
        if self.pulled_out:
            raise asyncio.CancelledError
        if not self._calm and self._rng.random() < self._weather.save_fails:
            self._note("save fails")
            raise SaveError("watcher.db: the state could not be saved (database or disk is full)")
        self._store.save(state, cursor, records)
        self._kept(state, cursor, records)
        await self._wait()

    @property
    def _calm(self) -> bool:
        return self._weather.is_calm(asyncio.get_running_loop().time())

    async def _wait(self) -> None:
        slow = not self._calm and self._rng.random() < self._weather.slow_save
        await asyncio.sleep(self._rng.expovariate(1 / 3) if slow else 0)
