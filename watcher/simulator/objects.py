"""The objects of the simulated cluster: pods, containers and their lives, ReplicaSets."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from watcher.simulator.records import ContainerLog

COST_MODEL = "cost-model"
FRONTEND = "cost-analyzer-frontend"


@dataclass(frozen=True, slots=True)
class Death:
    """How a container died: ``OOMKilled`` with 137, ``Error`` with another code, ``Completed`` with 0."""

    reason: str = "Error"
    exit_code: int = 1


@dataclass(slots=True)
class Life:
    """One life of a container: the runtime gives each its own id and its own log."""

    container_id: str
    started_at: datetime
    log: ContainerLog
    finished_at: datetime | None = None
    death: Death | None = None
    collected: bool = False  # the runtime has thrown the dead container away: its log can't be had


@dataclass(slots=True)
class Container:
    """A container of a pod. ``waiting`` holds the reason while it is not running and not just dead."""

    name: str
    image: str
    memory_limit: str | None = None
    lives: list[Life] = field(default_factory=list)
    waiting: str | None = "ContainerCreating"
    ready: bool = False

    @property
    def life(self) -> Life | None:
        """The current life, or the last one where it is dead; None before the first."""
        return self.lives[-1] if self.lives else None

    @property
    def running(self) -> bool:
        """True while the current life runs."""
        return self.waiting is None and self.life is not None and self.life.death is None

    @property
    def last_dead(self) -> Life | None:
        """What the status shows as ``lastState``: the death before the state that is shown as the current one."""
        if self.waiting is not None:
            return self.life
        return self.lives[-2] if len(self.lives) > 1 else None


@dataclass(slots=True)
class Owner:
    """An entry of ``ownerReferences``."""

    kind: str
    name: str
    uid: str
    api_version: str = "apps/v1"


@dataclass(slots=True)
class Pod:
    """A pod. Not scheduled: it has no node yet."""

    name: str
    uid: str
    labels: dict[str, str]
    owner: Owner | None
    containers: dict[str, Container]
    created_at: datetime
    scheduled: bool = True
    deleted_at: datetime | None = None
    version: int = 0

    @property
    def cost_model(self) -> Container:
        """The container that repairs."""
        return self.containers[COST_MODEL]


@dataclass(slots=True)
class ReplicaSet:
    """A ReplicaSet of the Deployment; ``uid`` is what its pods refer to."""

    name: str
    uid: str
    template_hash: str
    replicas: int
    version: int
