"""What everything that follows one container shares."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from watcher.cluster.api import Api, LogStream
from watcher.cluster.finder import Finder
from watcher.cluster.rhythm import Rhythm
from watcher.cluster.telling import Teller


@dataclass(frozen=True, slots=True)
class Setting:
    """Who to ask, whom to tell, how patient to be; ``asked`` is set while somebody waits for a look at the log."""

    api: Api
    finder: Finder
    teller: Teller
    rhythm: Rhythm
    jitter: Callable[[], float]
    asked: asyncio.Event
    namespace: str
    container: str

    async def log(self, pod: str, *options: tuple[str, str]) -> LogStream:
        """Open the log of the container in this pod, with stamps. Raises Trouble."""
        query = [("container", self.container), ("timestamps", "true"), *options]
        return await self.api.log(self.namespace, pod, query)


def seconds_now() -> float:
    """The time of the running loop: seconds of a clock that never steps back."""
    return asyncio.get_running_loop().time()
