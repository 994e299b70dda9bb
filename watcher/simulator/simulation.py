"""A whole simulation: a Kubernetes API and a Kubecost on two sockets, a scenario, and the judgement of the outcome."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self

from watcher.core.window import Window
from watcher.simulator.access import Grant
from watcher.simulator.cluster import Cluster
from watcher.simulator.dialects import DIALECTS
from watcher.simulator.faults import Faults
from watcher.simulator.installation import Disk, Installation
from watcher.simulator.judgement import judge
from watcher.simulator.kube_server import KubeServer
from watcher.simulator.kubecost import Kubecost
from watcher.simulator.ledger import Ledger, ReceivedRequest
from watcher.simulator.listener import Listener
from watcher.simulator.objects import COST_MODEL
from watcher.simulator.pace import Pace
from watcher.simulator.phrases import aggregated
from watcher.simulator.repair_api import RepairApi
from watcher.simulator.scenarios import Scenario


class Simulation:
    """An async context manager: inside it the two servers listen and Kubecost lives.

    ``rbac``: what the token may do; None: everything. ``ssl``: serve the Kubernetes API over TLS, with ``ca`` (PEM) in
    the kubeconfig. ``ports``: of the Kubernetes API and of Kubecost, 0 for any. ``hourly_hours``: how far the hourly
    stores reach back. ``stages``: the order to judge by, where it is not the version's documented one.
    """

    def __init__(  # noqa: PLR0913 - all but two have a default
        self,
        scenario: Scenario,
        *,
        window: Window,
        seed: int = 1,
        pace: Pace | None = None,
        rbac: frozenset[Grant] | None = None,
        ssl: SSLContext | None = None,
        ca: bytes | None = None,
        faults: Faults | None = None,
        ports: tuple[int, int] = (0, 0),
        hourly_hours: int = 49,
        stages: tuple[str, ...] | None = None,
    ) -> None:
        rng = random.Random(seed)
        self.scenario = scenario
        self.window = window
        self.pace = pace or Pace()
        self.faults = faults or Faults()
        dialect = DIALECTS[scenario.profile]
        if stages is not None:
            dialect = replace(dialect, stages=stages)
        self.cluster = Cluster(rng=rng)
        self.ledger = Ledger(dialect.stages, window)
        self.kubecost = Kubecost(
            Installation(
                self.cluster,
                dialect,
                scenario,
                window,
                self.pace,
                rng,
                self.ledger,
                Disk(rng),
                hourly_hours=hourly_hours,
            )
        )
        self.token = f"simulated-{rng.getrandbits(96):024x}"
        self.kube = KubeServer(
            self.cluster, token=self.token, rbac=rbac, faults=self.faults, port=ports[0], ssl=ssl, ca=ca
        )
        self._repairs = Listener(RepairApi(self.kubecost, self.faults).application(), ports[1])
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.kube)
            await self._repairs.open()
            stack.push_async_callback(self._repairs.close)
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            life = tasks.create_task(self.kubecost.run(), name="simulated Kubecost")
            stack.callback(life.cancel)
            await self.kubecost.until_ready()
            if self.scenario.stray_pod:
                self._add_liar()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._stack.__aexit__(kind, error, trace)

    def _add_liar(self) -> None:
        """A pod with the same labels, not the Deployment's, whose log claims that all days were done long ago."""
        pod = self.cluster.add_stray_pod()
        life = pod.cost_model.life
        store = self.kubecost.installation.dialect.store("Asset", "1d", "liarX")
        for day in self.window.days():
            if life is not None:
                life.log.write(f"INF {aggregated(store, Window.of_days(day, day), (99, 9), 1e-3)}".encode())

    # ---- how to reach it --------------------------------------------------------------------------------------------

    @property
    def kube_url(self) -> str:
        """The address of the Kubernetes API."""
        return self.kube.url

    @property
    def kubecost_url(self) -> str:
        """The address of Kubecost, without ``/model``; both forms are answered."""
        return self._repairs.url

    def kubeconfig(self) -> dict[str, Any]:
        """A kubeconfig with the token in it."""
        return self.kube.kubeconfig()

    def write_kubeconfig(self, path: Path) -> None:
        """Write the kubeconfig, readable by its owner only."""
        self.kube.write_kubeconfig(path)

    def config(self, kubeconfig: Path, state: Path) -> dict[str, Any]:
        """A configuration that ``watcher run`` accepts."""
        return {
            "version": 1,
            "window": str(self.window),
            "profile": self.scenario.profile,
            "kubecost": {"url": f"{self.kubecost_url}/model"},
            "logs": {
                "source": "kubernetes",
                "namespace": self.cluster.namespace,
                "deployment": self.cluster.deployment,
                "container": COST_MODEL,
                "kubeconfig": str(kubeconfig),
            },
            "state": {"path": str(state)},
            "server": {"listen": None},
            "patience": self.pace.patience(),
        }

    # ---- what came of it --------------------------------------------------------------------------------------------

    @property
    def requests(self) -> list[ReceivedRequest]:
        """Every request that reached Kubecost, with what was truly finished when it came."""
        return self.ledger.requests

    def verdict(self) -> list[str]:
        """What was wrong with the requests: their order, two at once, too early; empty when nothing was."""
        return self.ledger.violations()

    def judge(self, exit_code: int, document: Mapping[str, Any]) -> list[str]:
        """What is wrong with a run that ended like this, its status ``document`` included; empty when all is well."""
        return self.verdict() + judge(self.scenario.verdict, self.ledger, exit_code, document)
