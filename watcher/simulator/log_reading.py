"""Which log a request means, and what its body is, whatever carries it: the kubelet's part of the log API."""

from __future__ import annotations

import asyncio

from watcher.simulator.cluster import Cluster
from watcher.simulator.framing import Framing
from watcher.simulator.log_options import LogOptions
from watcher.simulator.objects import Container, Life, Pod
from watcher.simulator.status import Refusal, not_found

_WAITING_TEXTS = {
    "ErrImagePull": "image can't be pulled",
    "ImagePullBackOff": "trying and failing to pull image",
}


def life_asked_for(cluster: Cluster, pod_name: str, options: LogOptions) -> Life | None:
    """The life whose log it is; None while the pod has no node (204). Raises a ``Refusal`` where there is no log."""
    pod = cluster.pods.get(pod_name)
    if pod is None:
        raise not_found("", "pods", pod_name)
    container = _container(pod, options.container)
    return _life(pod, container, previous=options.previous) if pod.scheduled else None


class LogBody:
    """The body of one answer. ``end_delay``: seconds from the end of a container to the end of its streams."""

    def __init__(self, cluster: Cluster, life: Life, options: LogOptions, end_delay: float) -> None:
        self._framing = Framing(
            timestamps=options.timestamps,
            since=options.since,
            limit=options.limit,
            zone_minutes=cluster.zone_minutes,
        )
        self._collected = life.collected
        self._sorry = f"unable to retrieve container logs for {life.container_id}".encode()
        self._reader = life.log.open()
        if options.tail is not None:
            self._reader.keep_last(options.tail)
        self._follow = options.follow and life.death is None
        self._end_delay = end_delay

    async def next(self) -> bytes:
        """The next bytes, as soon as there are any; none at the end. A cancelled call takes nothing."""
        if self._collected:
            text, self._sorry = self._sorry, b""
            return text
        while not self._framing.exhausted:
            records = self._reader.take()
            if records:
                if content := b"".join(map(self._framing.frame, records)):
                    return content
            elif not self._follow:
                break
            elif not await self._reader.more():
                await asyncio.sleep(self._end_delay)
                self._follow = False
        return b""


def _container(pod: Pod, name: str | None) -> Container:
    if name is None:
        if len(pod.containers) == 1:
            return next(iter(pod.containers.values()))
        listed = " ".join(pod.containers)
        message = f"a container name must be specified for pod {pod.name}, choose one of: [{listed}]"
        raise Refusal(400, message)
    if name not in pod.containers:
        raise Refusal(400, f"container {name} is not valid for pod {pod.name}")
    return pod.containers[name]


def _life(pod: Pod, container: Container, *, previous: bool) -> Life:
    """Which life's log it is: the order of these cases is the kubelet's."""
    if previous:
        if container.last_dead is None:
            raise Refusal(400, f'previous terminated container "{container.name}" in pod "{pod.name}" not found')
        return container.last_dead
    if container.life is None:
        reason = container.waiting or "ContainerCreating"
        text = _WAITING_TEXTS.get(reason, reason)
        raise Refusal(400, f'container "{container.name}" in pod "{pod.name}" is waiting to start: {text}')
    return container.life
