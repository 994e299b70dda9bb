"""What everything that follows one container shares."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from watcher.cluster.api import Api, LogStream
from watcher.cluster.finder import Finder
from watcher.cluster.rhythm import Rhythm
from watcher.cluster.telling import Teller
from watcher.pulse import Pulse, Pulses


@dataclass(frozen=True, slots=True)
class Setting:
    """Who to ask, whom to tell, how patient to be; ``asked`` is set while somebody waits for a look at the log.

    ``reading`` is the life sign of the one task that decides and reads; the watches of a stream get their own.
    """

    api: Api
    finder: Finder
    teller: Teller
    rhythm: Rhythm
    jitter: Callable[[], float]
    asked: asyncio.Event
    namespace: str
    container: str
    pulses: Pulses
    reading: Pulse

    async def log(self, pod: str, *options: tuple[str, str]) -> LogStream:
        """Open the log of the container in this pod, with stamps. Raises Trouble."""
        query = [("container", self.container), ("timestamps", "true"), *options]
        return await self.api.log(self.namespace, pod, query)

    async def rest(self, seconds: float) -> None:
        """Let the task that reads rest."""
        self.reading.beat(seconds)
        await asyncio.sleep(seconds)


def seconds_now() -> float:
    """The time of the running loop: seconds of a clock that never steps back."""
    return asyncio.get_running_loop().time()
