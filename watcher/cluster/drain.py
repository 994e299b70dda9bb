"""Reads the log of a life that has ended, to its end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from watcher.cluster.api import BAD_REQUEST, InBand, LogStream, Trouble
from watcher.cluster.intake import Elsewhere, Intake
from watcher.cluster.life import Life
from watcher.cluster.looks import is_piece, look
from watcher.cluster.pods import Pod
from watcher.cluster.setting import Setting, seconds_now
from watcher.core.lines import moment_of, split_stamp
from watcher.core.window import rfc3339

FEWEST_READINGS: Final = 4  # that bring nothing, before it is given up to find the end
UNSURE: Final = "the container ended, and the end of its log could not be made sure of: lines may be missing"
ROTATED: Final = "the log was rotated while it was not read: lines may be missing"


@dataclass(frozen=True, slots=True)
class _End:
    """How a log ends: with something missing before its end, in a half line, or in good order."""

    gap: str | None = None
    half_line: bool = False


class Drain:
    """Drains one life. ``previous``: the next one runs already, and the log is the one before it."""

    def __init__(self, setting: Setting, life: Life, *, previous: bool = False) -> None:
        self._setting = setting
        self._life = life
        self._previous = previous

    async def run(self) -> None:
        """Read until a reading brings nothing new and a look at the end of the log agrees; then the life is ``done``.

        Any reading can break off early and look complete, so what is not seen to be the end is not taken for it; after
        a while it is told as a gap. A half line at the end counts as a line. Returns early, not done, when the
        container starts again meanwhile. Raises Trouble; of status 404 where the log is not to be had any more.
        """
        agreed: bytes | None = None
        vain, vain_since = 0, seconds_now()
        while True:
            intake = await self._read()
            if intake is None:
                return
            if intake.delivered:
                vain, vain_since = 0, seconds_now()
            elif intake.tail == agreed and (end := await self._look_at_end(intake)) is not None:
                await self._finish(intake, end)
                return
            elif vain >= FEWEST_READINGS and seconds_now() > vain_since + self._setting.rhythm.give_up:
                await self._finish(intake, _End(UNSURE))
                return
            agreed = intake.tail
            await self._setting.rest(self._pause(vain))
            vain += 1

    async def _finish(self, intake: Intake, end: _End) -> None:
        """The life is over, and so is its log."""
        try:
            if end.half_line:
                await intake.take_tail(seconds_now())
        except Elsewhere:
            return
        if end.gap is not None:
            await self._setting.teller.gap(end.gap, self._life)
        self._life.done = True

    def _pause(self, vain: int) -> float:
        """The kubelet may still be flushing; behind a restart it is not, and in a pod that goes away time is short."""
        pod, drain = self._life.pod, self._setting.rhythm.drain
        hurried = self._previous or (pod is not None and not pod.lasts)
        return min(drain, drain / 10 * 2.0 ** min(vain, 10)) if hurried else drain

    async def _look_at_end(self, intake: Intake) -> _End | None:
        """How the log ends, where a look confirms that everything was read; None where it does not."""
        newest = await look(self._setting, self._life.pod_name, previous=self._previous)
        if newest is None or not await self._is_its_log(if_gone=newest.key is not None):
            return None
        if newest.key is not None:  # then a half line is only what a broken answer ended in
            read = self._life.trail.holds(newest.key) or is_piece(newest, self._life.last_seen)
            return _End() if read else None
        if newest.text:
            _, text = split_stamp(newest.text)
            return _End(half_line=True) if text and intake.tail.endswith(text) else None
        if intake.anchored:
            return _End() if self._life.trail.here.last is None else None
        return _End(ROTATED)

    async def _read(self) -> Intake | None:
        life = self._life
        resumption = life.trail.resume()
        options = [("follow", "false")]
        if self._previous:
            options.append(("previous", "true"))
        if resumption.since is not None:
            options.append(("sinceTime", rfc3339(moment_of(resumption.since))))
        self._setting.reading.beat(self._setting.rhythm.step)
        stream = await self._setting.log(life.pod_name, *options)
        try:
            if not await self._is_its_log(if_gone=resumption.anchor is not None):
                return None
            intake = Intake(life, self._setting.teller, resumption, self._admit)
            await self._setting.teller.attached_once(life)
            while data := await self._next(stream):
                await intake.take(data, seconds_now())
        except Elsewhere:
            return None
        finally:
            await stream.close()
        remark = intake.end()
        if remark is not None:
            raise InBand(f"the kubelet ended the log: {remark}")
        return intake

    async def _next(self, stream: LogStream) -> bytes:
        self._setting.reading.beat(self._setting.rhythm.sock_read)
        data = await stream.read()
        self._setting.reading.beat(self._setting.rhythm.step)
        return data

    async def _is_its_log(self, *, if_gone: bool) -> bool:
        """The request named a pod and no container: ask whose log the answer is.

        ``if_gone``: what it is when the pod is gone. Another life may have been the last one in it; a line that is
        known tells.
        """
        pod = await self._setting.finder.get(self._life.pod_name)
        if pod is None:
            return if_gone
        if not self._previous:
            return self._life.is_served_by(pod) and not pod.running
        if not self._is_last(pod):
            raise Trouble("the container was restarted again meanwhile", BAD_REQUEST)
        return True

    def _is_last(self, pod: Pod) -> bool:
        death = pod.last_death
        return pod.uid == self._life.pod_uid and death is not None and death.container_id == self._life.container_id

    async def _admit(self, first: datetime) -> bool:
        until = seconds_now() + self._setting.rhythm.lag
        while seconds_now() < until:
            await asyncio.sleep(self._setting.rhythm.settle)
            if not await self._is_its_log(if_gone=False):
                return False
        await self._setting.teller.gap(ROTATED, self._life, first)
        return True
