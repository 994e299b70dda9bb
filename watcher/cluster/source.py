"""The log of one container of a deployment as a source of lines."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from watcher.cluster.api import Api
from watcher.cluster.finder import Finder
from watcher.cluster.follower import Follower
from watcher.cluster.rhythm import Rhythm
from watcher.cluster.setting import Setting
from watcher.cluster.telling import Teller
from watcher.cluster.transport import ClusterApi
from watcher.pulse import Pulses
from watcher.sources import Emit


class KubernetesSource:
    """Follows ``container`` in the pod of ``deployment``, through restarts, replacements and bad weather.

    ``clock`` gives aware datetimes in UTC. ``jitter`` gives numbers in [0, 1) and ``api`` stands in for the network;
    both are for simulations. ``pulses`` is where the tasks that follow show their life signs.
    """

    def __init__(  # noqa: PLR0913 - named, and the configuration has as many
        self,
        *,
        namespace: str,
        deployment: str,
        container: str,
        clock: Callable[[], datetime],
        kubeconfig: Path | None = None,
        context: str | None = None,
        rhythm: Rhythm | None = None,
        jitter: Callable[[], float] = random.random,
        api: Api | None = None,
        pulses: Pulses | None = None,
    ) -> None:
        self._namespace = namespace
        self._deployment = deployment
        self._container = container
        self._clock = clock
        self._rhythm = rhythm or Rhythm()
        self._jitter = jitter
        self._api = api or ClusterApi(kubeconfig, context, self._rhythm)
        self._pulses = pulses or Pulses()
        self._asked = asyncio.Event()

    async def open(self) -> None:
        """Read the kubeconfig or the service account; raises ConfigError. What fails later becomes events."""
        await self._api.open()

    async def aclose(self) -> None:
        """Give up all connections; only needed where ``follow`` was never called."""
        await self._api.close()

    async def follow(self, emit: Emit, cursor: str | None) -> None:
        """Read on from ``cursor`` (None: the whole log of the running container), for ever."""
        finder = Finder(self._api, self._namespace, self._deployment, self._container)
        teller = Teller(emit, self._clock, self._namespace, self._container, self._pulses)
        try:
            with self._pulses.expect("the reader of the log", self._rhythm.request) as reading:
                setting = Setting(
                    api=self._api,
                    finder=finder,
                    teller=teller,
                    rhythm=self._rhythm,
                    jitter=self._jitter,
                    asked=self._asked,
                    namespace=self._namespace,
                    container=self._container,
                    pulses=self._pulses,
                    reading=reading,
                )
                await Follower(setting).follow(cursor)
        finally:
            await self._api.close()

    async def confirm(self) -> None:
        """Ask for a look at the newest line, without waiting for it: leads to ``CaughtUp``, a reconnect, or nothing."""
        self._asked.set()
