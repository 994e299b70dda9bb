"""One open stream: read it, and watch over it.

A silent stream cannot be told from a dead one, and a clean end says nothing about the container. So three tasks share
a stream: one reads, one looks at the log's newest line over another connection and compares (``canary.py``), one asks
after the pod. Each of them can end the stream; what comes next is not decided here.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from watcher.cluster.api import LogStream, Silence, Trouble
from watcher.cluster.intake import Elsewhere, Intake
from watcher.cluster.life import Life
from watcher.cluster.setting import Setting, seconds_now


@dataclass(frozen=True, slots=True)
class End:
    """Why a stream ended. ``planned``: nothing is wrong, it is only to be opened again."""

    cause: str
    planned: bool = False
    clean: bool = False  # by the server, in good order
    refused: bool = False  # by the kubelet, with an error in place of more log


SHORTEST_WAIT: Final = 0.001  # seconds: differences of floats can be next to nothing, and no clock moves by that
ENDED: Final = End("the stream ended", clean=True)


class Connection:
    """Reads one stream of a life's log. ``since`` is the stamp (ns) that the server was asked to begin with."""

    def __init__(self, setting: Setting, life: Life, stream: LogStream, intake: Intake, since: int | None) -> None:
        self.setting = setting
        self.life = life
        self.since = since
        self.opened = self.heard_at = seconds_now()
        self.proven = False
        self._stream = stream
        self._intake = intake
        self._taking = False
        self.looking = self.asking = setting.reading  # until the watches run
        self._news = asyncio.Event()
        self._end: End | None = None
        self._waiting: asyncio.Timeout | None = None

    @property
    def delivered(self) -> int:
        """How many new lines it brought."""
        return self._intake.delivered

    @property
    def rest(self) -> bytes:
        """The half line that it brought last; empty while the lines before it are still being delivered."""
        return b"" if self._taking else self._intake.rest

    @property
    def idle(self) -> float:
        """For how many seconds nothing came."""
        return 0.0 if self._taking else seconds_now() - self.heard_at

    def stop(self, cause: str, *, planned: bool = False) -> None:
        """End the stream as soon as what has arrived is delivered."""
        if self._end is not None:
            return
        self._end = End(cause, planned)
        if self._waiting is not None and not self._taking:
            self._waiting.reschedule(seconds_now())

    async def hear(self, seconds: float) -> None:
        """Wait until something more was read, at most so long."""
        self._news.clear()
        try:
            async with asyncio.timeout(max(seconds, SHORTEST_WAIT)):
                await self._news.wait()
        except TimeoutError:
            pass

    async def read(self) -> End:
        """Read and deliver until the stream ends, whoever ends it."""
        waiting = asyncio.timeout(None)
        try:
            async with waiting:
                self._waiting = waiting
                return await self._read_on()
        except TimeoutError:
            if self._end is None or not waiting.expired():
                raise
            return self._end
        finally:
            self._waiting = None

    async def _read_on(self) -> End:
        reading, rhythm = self.setting.reading, self.setting.rhythm
        reading.beat(rhythm.sock_read)
        while self._end is None:
            try:
                data = await self._stream.read()
                if not self._stay() and not data:
                    remark = self._intake.end()
                    return End(f"the kubelet ended the log: {remark}", clean=True, refused=True) if remark else ENDED
                self.heard_at, self._taking = seconds_now(), True
                reading.beat(rhythm.step, self.heard_at)
                held_up = await self._intake.take(data, self.heard_at)
                self.heard_at, self._taking = self.heard_at + held_up, False
                reading.beat(rhythm.sock_read, self.heard_at)
                if held_up > rhythm.lapse:
                    return End(f"nothing was read for {held_up:.0f} s", planned=True)
            except Silence as silence:
                return End(silence.cause, planned=True)
            except Trouble as trouble:
                return End(trouble.cause)
            except Elsewhere:
                return End("another container writes this log now")
            self._news.set()
        return self._end

    def _stay(self) -> bool:
        """Whether the stream was stopped just when something came: that is delivered first."""
        if self._end is None or self._waiting is None:
            return False
        self._waiting.reschedule(None)
        return True

    async def ask_after_pod(self) -> None:
        """Note when the container gets ready; end the stream when it should have ended, and when it is old."""
        rhythm = self.setting.rhythm
        until = self.opened + rhythm.lifetime * (0.8 + 0.4 * self.setting.jitter())
        while True:
            pause = max(0.0, min(rhythm.poll, until - seconds_now()))
            self.asking.beat(pause)
            due = seconds_now() + pause
            await asyncio.sleep(pause)
            if seconds_now() > due + rhythm.lapse:
                self.stop(f"this process stood still for {seconds_now() - due:.0f} s", planned=True)
                return
            if seconds_now() >= until:
                self.stop("it was open long enough", planned=True)
                return
            self.asking.beat(rhythm.request)
            asked = seconds_now()
            try:
                pod = await self.setting.finder.get(self.life.pod_name)
            except Trouble:
                continue
            if pod is not None and self.life.is_served_by(pod) and pod.running:
                self.life.pod, self.life.confirmed = pod, asked
                await self.setting.teller.readiness(self.life, pod)
            elif self.idle > rhythm.stall:
                self.stop("the container ended, and the stream did not")
