"""Reads the log of a life that has ended, to its end."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

from watcher.cluster.api import BAD_REQUEST, InBand, Trouble
from watcher.cluster.intake import Elsewhere, Intake
from watcher.cluster.life import Life
from watcher.cluster.pods import Pod
from watcher.cluster.setting import Setting, seconds_now
from watcher.core.lines import moment_of
from watcher.core.window import rfc3339

ROTATED: Final = "the log was rotated while it was not read: lines may be missing"


class Drain:
    """Drains one life. ``previous``: the next one runs already, and the log is the one before it."""

    def __init__(self, setting: Setting, life: Life, *, previous: bool = False) -> None:
        self._setting = setting
        self._life = life
        self._previous = previous

    async def run(self) -> None:
        """Read until two readings in a row bring nothing new; then the life is ``done``.

        A half line at the end counts as a line when two readings agree on it. Returns early, not done, when the
        container starts again meanwhile. Raises Trouble; of status 400 where the log is not to be had any more.
        """
        agreed: bytes | None = None
        while True:
            intake = await self._read()
            if intake is None:
                return
            if intake.delivered == 0 and intake.tail == agreed:
                if intake.tail:
                    await intake.take_tail(seconds_now())
                self._life.done = True
                return
            agreed = intake.tail
            await asyncio.sleep(self._pause())

    def _pause(self) -> float:
        """The kubelet may still be flushing; behind a restart it is not, and in a pod that goes away time is short."""
        pod = self._life.pod
        hurried = self._previous or (pod is not None and not pod.lasts)
        return self._setting.rhythm.drain / 10 if hurried else self._setting.rhythm.drain

    async def _read(self) -> Intake | None:
        life = self._life
        resumption = life.trail.resume()
        options = [("follow", "false")]
        if self._previous:
            options.append(("previous", "true"))
        if resumption.since is not None:
            options.append(("sinceTime", rfc3339(moment_of(resumption.since))))
        stream = await self._setting.log(life.pod_name, *options)
        try:
            if not await self._is_its_log():
                return None
            intake = Intake(life, self._setting.teller, resumption, self._admit)
            await self._setting.teller.attached_once(life)
            while data := await stream.read():
                await intake.take(data, seconds_now())
        except Elsewhere:
            return None
        finally:
            await stream.close()
        remark = intake.end()
        if remark is not None:
            raise InBand(f"the kubelet ended the log: {remark}")
        return intake

    async def _is_its_log(self) -> bool:
        """The request named a pod and no container: ask whose log the answer is."""
        pod = await self._setting.finder.get(self._life.pod_name)
        if pod is None:
            return True  # what the kubelet opened is still what we asked for
        if not self._previous:
            return self._life.is_served_by(pod) and not pod.running
        if not self._is_last(pod):
            raise Trouble("the container was restarted again meanwhile", BAD_REQUEST)
        return True

    def _is_last(self, pod: Pod) -> bool:
        death = pod.last_death
        return pod.uid == self._life.pod_uid and death is not None and death.container_id == self._life.container_id

    async def _admit(self, first: datetime) -> bool:
        if not self._previous:
            await asyncio.sleep(self._setting.rhythm.settle)
            if not await self._is_its_log():
                return False
        await self._setting.teller.gap(ROTATED, self._life, first)
        return True
