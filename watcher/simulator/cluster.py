"""What the simulated cluster holds: a Deployment, its ReplicaSets, their pods, and the lives of their containers.

Tests and scenarios act on it: restart a container, replace a pod, scale, rotate a log. The API only shows it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from watcher.simulator.manifests import pod_manifest
from watcher.simulator.objects import COST_MODEL, FRONTEND, Container, Death, Life, Owner, Pod, ReplicaSet
from watcher.simulator.records import Clock, ContainerLog


@dataclass(frozen=True, slots=True)
class PodChange:
    """One entry of the history that a watch replays."""

    version: int
    kind: str  # ADDED | MODIFIED | DELETED
    pod: Pod
    manifest: dict[str, Any]


class Cluster:
    """One namespace with one Deployment. Every change gets a new resource version."""

    def __init__(
        self,
        *,
        namespace: str = "kubecost",
        deployment: str = "kubecost-cost-analyzer",
        rng: random.Random | None = None,
        clock: Clock = time.time_ns,
        memory_limit: str = "2Gi",
    ) -> None:
        self.namespace = namespace
        self.deployment = deployment
        self.rng = rng or random.Random(1)
        self.clock = clock
        self.memory_limit = memory_limit
        self.zone_minutes = 0
        self.labels = {
            "app": "cost-analyzer",
            "app.kubernetes.io/instance": "kubecost",
            "app.kubernetes.io/name": "cost-analyzer",
        }
        self.deployment_uid = self.new_uid()
        self.replicas = 1
        self.version = 1000
        self.history: list[PodChange] = []
        self.oldest_version = self.version
        self.pods: dict[str, Pod] = {}
        self.replica_sets: list[ReplicaSet] = []
        self._changed = asyncio.Event()
        self.roll_out()

    # ---- names and time ---------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The cluster's clock."""
        return datetime.fromtimestamp(self.clock() / 1e9, UTC)

    def new_uid(self) -> str:
        """A fresh UID."""
        digits = f"{self.rng.getrandbits(128):032x}"
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))

    def _suffix(self, length: int) -> str:
        return "".join(self.rng.choices("bcdfghjklmnpqrstvwxz2456789", k=length))

    # ---- the deployment and its pods --------------------------------------------------------------------------------

    def roll_out(self) -> ReplicaSet:
        """A new ReplicaSet, as after a change of the pod template; the others are scaled to nothing."""
        for old in self.replica_sets:
            old.replicas = 0
        template_hash = self._suffix(10)
        self.version += 1
        name = f"{self.deployment}-{template_hash}"
        self.replica_sets.append(ReplicaSet(name, self.new_uid(), template_hash, self.replicas, self.version))
        return self.replica_sets[-1]

    def add_pod(self, *, scheduled: bool = True) -> Pod:
        """A new pod of the newest ReplicaSet; its containers have not started."""
        replica_set = self.replica_sets[-1]
        owner = Owner("ReplicaSet", replica_set.name, replica_set.uid)
        labels = {**self.labels, "pod-template-hash": replica_set.template_hash}
        return self._add(f"{replica_set.name}-{self._suffix(5)}", labels, owner, scheduled=scheduled)

    def add_stray_pod(self) -> Pod:
        """A running pod with the Deployment's labels that is not the Deployment's: a Job owns it."""
        owner = Owner("Job", "cost-model-debug", self.new_uid(), "batch/v1")
        pod = self._add(f"cost-model-debug-{self._suffix(5)}", dict(self.labels), owner, scheduled=True)
        self.start(pod, pod.containers)
        self.set_ready(pod)
        return pod

    def _add(self, name: str, labels: dict[str, str], owner: Owner, *, scheduled: bool) -> Pod:
        containers = {
            COST_MODEL: Container(COST_MODEL, "gcr.io/kubecost1/cost-model:prod", self.memory_limit),
            FRONTEND: Container(FRONTEND, "gcr.io/kubecost1/frontend:prod"),
        }
        pod = Pod(name, self.new_uid(), labels, owner, containers, self.now(), scheduled)
        self.pods[name] = pod
        self._record("ADDED", pod)
        return pod

    def delete_pod(self, pod: Pod, death: Death | None = None) -> None:
        """The pod and its logs are gone; followers get what was written, then the end."""
        pod.deleted_at = self.now()
        self._record("MODIFIED", pod)
        for container in pod.containers.values():
            self._end(container, death or Death("Completed", 0))
        del self.pods[pod.name]
        self._record("DELETED", pod)

    def scale(self, replicas: int) -> None:
        """Change the number of replicas that is wanted; pods are added (not started) or deleted, newest first."""
        self.replicas = replicas
        replica_set = self.replica_sets[-1]
        replica_set.replicas = replicas
        own = self.own_pods()
        for pod in own[replicas:]:
            self.delete_pod(pod)
        for _ in range(replicas - len(own)):
            self.add_pod()

    def own_pods(self) -> list[Pod]:
        """The Deployment's pods, oldest first."""
        uids = {replica_set.uid for replica_set in self.replica_sets}
        return [pod for pod in self.pods.values() if pod.owner is not None and pod.owner.uid in uids]

    @property
    def pod(self) -> Pod:
        """The newest pod of the Deployment."""
        return self.own_pods()[-1]

    # ---- containers -------------------------------------------------------------------------------------------------

    def start(self, pod: Pod, names: Iterable[str] = (COST_MODEL,)) -> Life:
        """A new life for these containers, the last of which is returned; none of them is ready."""
        life: Life | None = None
        for name in names:
            container = pod.containers[name]
            life = Life(f"containerd://{self.rng.getrandbits(256):064x}", self.now(), self.new_log())
            container.lives.append(life)
            container.waiting = None
            container.ready = False
        if life is None:
            msg = f"no container of pod {pod.name} to start"
            raise ValueError(msg)
        self._record("MODIFIED", pod)
        return life

    def new_log(self) -> ContainerLog:
        """An empty log, for a life that begins."""
        return ContainerLog(self.clock)

    def set_ready(self, pod: Pod, *, ready: bool = True) -> None:
        """What the readiness probe of every running container says."""
        for container in pod.containers.values():
            container.ready = ready and container.running
        self._record("MODIFIED", pod)

    def die(self, pod: Pod, death: Death, name: str = COST_MODEL) -> None:
        """The container ends; its log can be read on until the pod goes."""
        self._end(pod.containers[name], death)
        self._record("MODIFIED", pod)

    def back_off(self, pod: Pod, reason: str = "CrashLoopBackOff", name: str = COST_MODEL) -> None:
        """The kubelet waits before it starts the dead container again."""
        pod.containers[name].waiting = reason
        self._record("MODIFIED", pod)

    def restart(self, pod: Pod, death: Death, name: str = COST_MODEL) -> Life:
        """Death and next life at once."""
        self.die(pod, death, name)
        return self.start(pod, (name,))

    def _end(self, container: Container, death: Death) -> None:
        life = container.life
        if life is None or life.death is not None:
            return
        life.death = death
        life.finished_at = self.now()
        container.ready = False
        life.log.close()

    # ---- history ----------------------------------------------------------------------------------------------------

    def _record(self, kind: str, pod: Pod) -> None:
        self.version += 1
        pod.version = self.version
        self.history.append(PodChange(self.version, kind, pod, pod_manifest(pod, self.namespace)))
        self._changed.set()
        self._changed = asyncio.Event()

    def forget_history(self) -> None:
        """Compact: a watch that wants to begin before now is answered 410."""
        self.oldest_version = self.version
        self.history.clear()

    async def changed(self) -> None:
        """Wait for the next change of a pod."""
        await self._changed.wait()
