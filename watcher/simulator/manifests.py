"""The JSON that the simulated API server shows of its objects: the fields a follower of logs may look at."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from watcher.simulator.objects import Container, Life, Owner, Pod, ReplicaSet


def time_text(moment: datetime) -> str:
    """A ``metav1.Time``: whole seconds, UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def owner_reference(owner: Owner) -> dict[str, Any]:
    """One entry of ``metadata.ownerReferences``."""
    return {
        "apiVersion": owner.api_version,
        "kind": owner.kind,
        "name": owner.name,
        "uid": owner.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def pod_manifest(pod: Pod, namespace: str) -> dict[str, Any]:
    """A ``v1`` Pod."""
    metadata: dict[str, Any] = {
        "name": pod.name,
        "namespace": namespace,
        "uid": pod.uid,
        "resourceVersion": str(pod.version),
        "creationTimestamp": time_text(pod.created_at),
        "labels": dict(pod.labels),
    }
    if pod.owner is not None:
        metadata["ownerReferences"] = [owner_reference(pod.owner)]
    if pod.deleted_at is not None:
        metadata |= {"deletionTimestamp": time_text(pod.deleted_at), "deletionGracePeriodSeconds": 30}
    containers = list(pod.containers.values())
    spec: dict[str, Any] = {"restartPolicy": "Always", "containers": [_container_spec(one) for one in containers]}
    if pod.scheduled:
        spec["nodeName"] = "node-1"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": spec,
        "status": _pod_status(pod, containers),
    }


def _container_spec(container: Container) -> dict[str, Any]:
    limits = {"memory": container.memory_limit} if container.memory_limit else {}
    return {"name": container.name, "image": container.image, "resources": {"limits": limits} if limits else {}}


def _pod_status(pod: Pod, containers: list[Container]) -> dict[str, Any]:
    ready = all(container.ready for container in containers)
    conditions = [{"type": "PodScheduled", "status": _truth(value=pod.scheduled)}]
    if not pod.scheduled:
        return {"phase": "Pending", "conditions": conditions}
    conditions += [{"type": kind, "status": _truth(value=ready)} for kind in ("ContainersReady", "Ready")]
    started = [container for container in containers if container.lives]
    status: dict[str, Any] = {
        "phase": "Running" if started else "Pending",
        "conditions": conditions,
        "hostIP": "10.0.0.1",
        "containerStatuses": [_container_status(container) for container in containers],
    }
    if started:
        status |= {"podIP": "10.1.0.1", "startTime": time_text(pod.created_at)}
    return status


def _truth(*, value: bool) -> str:
    return "True" if value else "False"


def _container_status(container: Container) -> dict[str, Any]:
    life = container.life
    return {
        "name": container.name,
        "image": container.image,
        "imageID": f"{container.image}@sha256:{'0' * 64}" if life else "",
        "containerID": life.container_id if life else "",
        "ready": container.ready,
        "started": container.running,
        "restartCount": max(0, len(container.lives) - 1),
        "state": _state(container),
        "lastState": _terminated(container.last_dead) if container.last_dead else {},
    }


def _state(container: Container) -> dict[str, Any]:
    life = container.life
    if container.waiting is not None or life is None:
        return {"waiting": {"reason": container.waiting or "ContainerCreating"}}
    if life.death is not None:
        return _terminated(life)
    return {"running": {"startedAt": time_text(life.started_at)}}


def _terminated(life: Life) -> dict[str, Any]:
    if life.death is None or life.finished_at is None:
        return {}
    return {
        "terminated": {
            "exitCode": life.death.exit_code,
            "reason": life.death.reason,
            "startedAt": time_text(life.started_at),
            "finishedAt": time_text(life.finished_at),
            "containerID": life.container_id,
        }
    }


def replica_set_manifest(one: ReplicaSet, namespace: str, labels: dict[str, str], owner: Owner) -> dict[str, Any]:
    """An ``apps/v1`` ReplicaSet."""
    own = {**labels, "pod-template-hash": one.template_hash}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": one.name,
            "namespace": namespace,
            "uid": one.uid,
            "resourceVersion": str(one.version),
            "labels": own,
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": {"replicas": one.replicas, "selector": {"matchLabels": own}, "template": {"metadata": {"labels": own}}},
        "status": {"replicas": one.replicas},
    }


def deployment_manifest(
    owner: Owner, namespace: str, labels: dict[str, str], replicas: int, ready: int
) -> dict[str, Any]:
    """An ``apps/v1`` Deployment."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": owner.name,
            "namespace": namespace,
            "uid": owner.uid,
            "resourceVersion": "1000",
            "generation": 1,
            "labels": labels,
        },
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 1}},
        },
        "status": {"observedGeneration": 1, "replicas": replicas, "readyReplicas": ready},
    }
