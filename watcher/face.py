"""What a running process shows of itself over HTTP: the status document, health, readiness, metrics."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from watcher import clock
from watcher.core.state import State
from watcher.core.view import view
from watcher.daemon import Daemon
from watcher.errors import ConfigError
from watcher.pulse import Pulses

if TYPE_CHECKING:
    from watcher.config import Config
    from watcher.metrics import Workings

log = logging.getLogger("watcher")


@dataclass(slots=True)
class Face:
    """What the web answer shows: the daemon's snapshot, or the empty run until there is a daemon.

    ``source``: the life signs of what follows the log.
    """

    begun: State
    source: Pulses
    daemon: Daemon | None = None

    def state(self) -> State:
        """What is known now."""
        return self.daemon.state if self.daemon is not None else self.begun

    def status(self) -> dict[str, Any]:
        """The status document."""
        return view(self.state(), clock.now())

    def ready(self) -> tuple[bool, Mapping[str, Any]]:
        """What ``/readyz`` says."""
        return readiness(self.state())

    def healthy(self) -> tuple[bool, Mapping[str, Any]]:
        """What ``/healthz`` says."""
        return health([*(self.daemon.pulses.still() if self.daemon is not None else ()), *self.source.still()])

    def workings(self) -> Workings:
        """What only the metrics show."""
        from watcher.metrics import Workings

        if self.daemon is None:
            return Workings()
        inbox, overdue = self.daemon.inbox, self.daemon.pulses.overdue() | self.source.overdue()
        return Workings(inbox.used, inbox.room, overdue)


@asynccontextmanager
async def serve_face(config: Config, face: Face) -> AsyncIterator[None]:
    """The web answer. An address that was asked for and cannot be had is an error; the default one is done without."""
    if config.server.listen is None:
        yield
        return
    from watcher.metrics import Metrics
    from watcher.web import serve

    async with AsyncExitStack() as stack:
        answers = serve(
            config.server.listen,
            status=face.status,
            ready=face.ready,
            healthy=face.healthy,
            metrics=Metrics(face.status, face.workings).render,
        )
        try:
            server = await stack.enter_async_context(answers)
        except ConfigError as error:
            if "listen" in config.server.model_fields_set:
                raise
            log.warning("%s; going on without the web answer", error)
        else:
            log.info("listening on %s", server.url)
        yield


def readiness(state: State) -> tuple[bool, Mapping[str, Any]]:
    """Ready to work: target found, stream open, backlog read; else the cause."""
    if not state.log.connected:
        return False, {"ready": False, "cause": state.log.blind_cause or "no stream of the log is open yet"}
    if state.log.blind_since is not None or state.log.heard_until is None:
        return False, {"ready": False, "cause": "the log's backlog is being read"}
    return True, {"ready": True, "target": state.log.target}


def health(still: Sequence[str]) -> tuple[bool, Mapping[str, Any]]:
    """Healthy unless a task of ours stands still; trouble outside of the process is not a reason to restart it."""
    return (False, {"healthy": False, "cause": "; ".join(still)}) if still else (True, {"healthy": True})
