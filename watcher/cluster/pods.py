"""What the API says about a pod, as far as the follower of one container's log needs it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

ENDED_PHASES: Final = frozenset({"Failed", "Succeeded"})


@dataclass(frozen=True, slots=True)
class Death:
    """How a container ended."""

    container_id: str
    reason: str
    exit_code: int | None

    def tell(self, memory_limit: str | None) -> str:
        """The cause of the end in words."""
        text = self.reason or "the container ended"
        if self.exit_code is not None:
            text += f", exit code {self.exit_code}"
        if self.reason == "OOMKilled":
            text += f", memory limit {memory_limit}" if memory_limit else ", no memory limit of its own"
        return text


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod and the container in it that is followed.

    ``container_id`` is the life whose log the API serves now: the running one, or the one that ended while none runs
    (CrashLoopBackOff). None: nothing can be read yet.
    """

    name: str
    uid: str
    created: str
    phase: str
    deleting: bool
    running: bool
    ready: bool
    container_id: str | None
    restarts: int
    waiting: str | None
    death: Death | None  # of the life that is served, where it has ended
    last_death: Death | None  # of the life before the running one
    memory_limit: str | None
    started: datetime | None = None  # when the running container did

    @property
    def lasts(self) -> bool:
        """False when nothing new will ever start in this pod."""
        return not self.deleting and self.phase not in ENDED_PHASES

    def death_of(self, container_id: str) -> Death | None:
        """How this life ended, as far as the pod still knows."""
        return next((d for d in (self.death, self.last_death) if d and d.container_id == container_id), None)


def read_pod(raw: dict[str, Any], container: str) -> Pod:
    """The pod in an answer of the API. Raw JSON: fields may be missing or null."""
    meta, spec, status = _part(raw, "metadata"), _part(raw, "spec"), _part(raw, "status")
    phase = str(status.get("phase") or "")
    known = next((one for one in _statuses(status) if one.get("name") == container), None)
    now = known if known is not None else _without_status(phase)
    state = _part(now, "state")
    running = "running" in state
    restarts = int(now.get("restartCount") or 0)
    own_id = str(now.get("containerID") or f"restart {restarts}")  # small servers name none
    death = _death(state.get("terminated"), own_id)
    behind = restarts - 1 if running or death is not None else restarts
    last_death = _death(_part(now, "lastState").get("terminated"), f"restart {behind}")
    if not running and death is None and last_death is not None:  # waiting, with an end behind it
        death = last_death
    ready = now.get("ready")
    return Pod(
        name=str(meta.get("name") or ""),
        uid=str(meta.get("uid") or ""),
        created=str(meta.get("creationTimestamp") or ""),
        phase=phase,
        deleting=bool(meta.get("deletionTimestamp")),
        running=running,
        ready=running and (ready is None or bool(ready)),
        container_id=own_id if running else death.container_id if death is not None else None,
        restarts=restarts,
        waiting=str(_part(state, "waiting").get("reason") or "waiting") if "waiting" in state else None,
        death=death,
        last_death=last_death,
        memory_limit=_memory_limit(spec, container),
        started=_moment(_part(state, "running").get("startedAt")),
    )


def container_names(raw: dict[str, Any]) -> list[str]:
    """The containers that the pod's spec names, of every kind."""
    spec = _part(raw, "spec")
    kinds = ("containers", "initContainers", "ephemeralContainers")
    return [str(one.get("name")) for kind in kinds for one in spec.get(kind) or ()]


def _statuses(status: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for kind in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        yield from status.get(kind) or ()


def _without_status(phase: str) -> dict[str, Any]:
    """A server that tells no container's state: the pod's has to do."""
    return {"state": {"running": {}}} if phase == "Running" else {}


def _death(raw: dict[str, Any] | None, own_id: str) -> Death | None:
    if raw is None:
        return None
    code = raw.get("exitCode")
    identity = str(raw.get("containerID") or own_id)
    return Death(identity, str(raw.get("reason") or ""), int(code) if code is not None else None)


def _moment(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text or ""))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def _memory_limit(spec: dict[str, Any], container: str) -> str | None:
    for kind in ("containers", "initContainers"):
        for one in spec.get(kind) or ():
            if one.get("name") == container:
                limit = _part(_part(one, "resources"), "limits").get("memory")
                return str(limit) if limit is not None else None
    return None


def _part(raw: dict[str, Any], name: str) -> dict[str, Any]:
    part = raw.get(name)
    return part if isinstance(part, dict) else {}
