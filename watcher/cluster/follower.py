"""Decides what to read next: which pod, which life of its container, from which line on.

Every turn begins with the pod as the API shows it now, never with how the last stream ended. The old life is read
to its end before the next one is spoken of; what cannot be read any more is told as a gap.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

from watcher.cluster.api import BAD_REQUEST, InBand, Trouble
from watcher.cluster.canary import prove, prove_ended
from watcher.cluster.connection import ENDED, Connection, End
from watcher.cluster.drain import ROTATED, Drain
from watcher.cluster.intake import Intake
from watcher.cluster.life import Life, restore
from watcher.cluster.pods import Pod
from watcher.cluster.rhythm import Backoff
from watcher.cluster.setting import Setting, seconds_now
from watcher.core.lines import moment_of
from watcher.core.resume import LEAST_MARGIN, MARGIN, Resumption
from watcher.core.window import rfc3339

CANNOT_FOLLOW: Final = "failed to create fsnotify watcher"  # the node is out of inotify instances: reading still works


class Follower:
    """Follows one container for ever."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._teller = setting.teller
        self._finder = setting.finder
        self._rhythm = setting.rhythm
        self._backoff = Backoff(setting.rhythm, setting.jitter)
        self._life: Life | None = None
        self._troubled_since: float | None = None
        self._polling_until = 0.0  # in place of following, where the node has no means for it

    async def follow(self, cursor: str | None) -> None:
        """Read on from ``cursor``, whatever happens, until cancelled."""
        if cursor is not None:
            try:
                self._life = restore(cursor, seconds_now())
            except ValueError as error:
                await self._teller.gap(
                    f"the saved place in the log cannot be used, reading from the beginning: {error}"
                )
        while True:
            self._setting.reading.beat(self._rhythm.step)
            try:
                await self._turn()
                self._troubled_since = None
            except Trouble as trouble:
                await self._endure(trouble)

    # ---- one turn

    async def _turn(self) -> None:
        asked = seconds_now()
        pod = await self._see()
        life = self._life
        if pod is None or (pod.container_id is None and (life is None or life.pod_uid != pod.uid)):
            if life is not None:
                await self._leave(life, pod)
            await self._wait_for(pod)
        elif pod.container_id is None:
            await self._wait_for(pod)
        elif life is None or not life.is_served_by(pod):
            if life is not None:
                await self._leave(life, pod)
                if not life.done:
                    return  # the pod changed meanwhile: look again before anything is said of the next life
            await self._begin(pod, asked)
        else:
            life.pod, life.confirmed = pod, asked
            await self._read(life, pod)

    async def _see(self) -> Pod | None:
        """The pod that is followed, as long as there is something to be had from it; else the one to follow next."""
        life = self._life
        if life is not None:
            pod = await self._finder.get(life.pod_name)
            if pod is not None and pod.uid == life.pod_uid and (pod.lasts or not life.done):
                return pod
        return await self._find(life)

    async def _find(self, life: Life | None) -> Pod | None:
        self._setting.reading.beat(self._rhythm.step)
        try:
            async with asyncio.timeout(self._rhythm.step):
                return await self._finder.find(life.pod_uid if life is not None else None)
        except TimeoutError as error:
            raise Trouble("the API answers too slowly to find the pod") from error

    async def _wait_for(self, pod: Pod | None) -> None:
        cause = "the deployment has no pod"
        if pod is not None:
            cause = f"the container in pod {pod.name} has not started: {pod.waiting or pod.phase or 'no status'}"
        await self._teller.lost(cause)
        await self._setting.rest(self._rhythm.poll)

    async def _read(self, life: Life, pod: Pod) -> None:
        if pod.running:
            await self._stream(life)
        elif not life.done:
            await Drain(self._setting, life).run()
        else:
            death = pod.death_of(life.container_id)
            ended = death.tell(pod.memory_limit) if death is not None else "it ended"
            await self._teller.lost(f"the container in pod {pod.name} does not run: {ended}")
            await self._setting.rest(self._rhythm.poll)

    async def _endure(self, trouble: Trouble) -> None:
        """Nothing can be read now. Wait, and give a pod that is going away up when another one runs."""
        await self._teller.lost(trouble.cause)
        now = seconds_now()
        self._troubled_since = self._troubled_since or now
        life = self._life
        if life is not None and life.is_leaving and now - self._troubled_since > self._rhythm.give_up:
            await self._abandon(life, trouble.cause)
        await self._setting.rest(self._pause(trouble.wait))

    def _pause(self, floor: float | None = None) -> float:
        """How long to wait before the next attempt: the last lines of a pod that goes away can be had for seconds."""
        pause = self._backoff.pause(floor)
        hurried = self._life is not None and self._life.is_leaving and floor is None
        return min(pause, self._rhythm.settle) if hurried else pause

    async def _abandon(self, life: Life, cause: str) -> None:
        try:
            other = await self._find(life)
        except Trouble:
            return
        if other is not None and other.uid != life.pod_uid and other.running:
            await self._give_up(life, f"pod {life.pod_name} is going away and its log cannot be read: {cause}")

    # ---- from one life to the next

    async def _begin(self, pod: Pod, now: float) -> None:
        old = self._life
        if old is None:
            self._life = Life.of(pod, now)
            self._life.first = True
            return
        same_pod = old.pod_uid == pod.uid
        self._life = Life.of(pod, now, old.trail.next(old.confirmed) if same_pod else None)
        await self._teller.changed(self._life, _why(old, pod))

    async def _leave(self, life: Life, pod: Pod | None) -> None:
        """Read what is left of a life that is over; what is out of reach is a gap. Raises Trouble.

        The life is ``done`` then, unless the pod was not what it had seemed.
        """
        if life.done:
            return
        if pod is None or pod.uid != life.pod_uid:
            await self._give_up(life, f"pod {life.pod_name} is gone: what it logged last cannot be known")
        elif pod.last_death is not None and pod.last_death.container_id == life.container_id:
            await self._drain_previous(life)
        else:
            cause = f"the container in pod {pod.name} was restarted more than once ({pod.restarts} restarts in all)"
            await self._give_up(life, f"{cause}: the logs in between are gone")

    async def _give_up(self, life: Life, cause: str) -> None:
        await self._teller.gap(cause, life)
        life.done = True

    async def _drain_previous(self, life: Life) -> None:
        drain = Drain(self._setting, life, previous=True)
        try:
            await drain.run()
        except Trouble as trouble:
            refused = isinstance(trouble, InBand) and self._is_refused_for_long(life)
            if trouble.status != BAD_REQUEST and not refused:
                raise
            await self._give_up(life, f"the log of the container that ended is gone: {trouble.cause}")

    def _is_refused_for_long(self, life: Life) -> bool:
        """The kubelet has an error in place of the log: the runtime is away for a moment, or threw the log away."""
        now = seconds_now()
        life.refused_since = life.refused_since or now
        return now > life.refused_since + self._rhythm.give_up

    # ---- the stream of a running container

    async def _stream(self, life: Life) -> None:
        resumption = await self._resumption(life)
        polling = seconds_now() < self._polling_until
        options = [("follow", "false" if polling else "true")]
        if resumption.since is not None:
            options.append(("sinceTime", rfc3339(moment_of(resumption.since))))
        self._setting.reading.beat(self._rhythm.step)
        stream = await self._setting.log(life.pod_name, *options)
        try:
            # The request named a pod, the answer may be another life's; where the pod is gone, a known line tells.
            pod = await self._finder.get(life.pod_name)
            if not life.is_served_by(pod) if pod is not None else resumption.anchor is None:
                return
            await self._teller.attached(life)
            if pod is not None:
                await self._teller.readiness(life, pod)
            intake = Intake(life, self._teller, resumption, lambda first: self._admit(life, first))
            connection = Connection(self._setting, life, stream, intake, resumption.since)
            end = await self._keep(connection)
        finally:
            await stream.close()
        await self._rest(connection, end, polling=polling)

    async def _keep(self, connection: Connection) -> End:
        """Read, while the watches run; each of the three shows its own signs of life."""
        pulses, first = self._setting.pulses, self._rhythm.request
        with (
            pulses.expect("the look at the log", first) as connection.looking,
            pulses.expect("the look at the pod", first) as connection.asking,
        ):
            async with asyncio.TaskGroup() as tasks:
                watches = [
                    tasks.create_task(prove(connection), name="look at the log"),
                    tasks.create_task(connection.ask_after_pod(), name="look at the pod"),
                ]
                try:
                    return await connection.read()
                finally:
                    for watch in watches:
                        watch.cancel()

    async def _rest(self, connection: Connection, end: End, *, polling: bool) -> None:
        self._setting.reading.beat(self._rhythm.step)
        if end.clean and not connection.proven:
            await prove_ended(connection)
        self._set_margin(connection)
        if polling and end == ENDED:
            await self._setting.rest(self._rhythm.poll)
            return
        if CANNOT_FOLLOW in end.cause:
            self._polling_until = seconds_now() + self._rhythm.polling
        if not end.planned:
            if not end.clean:
                connection.life.emptied = None
            await self._teller.lost(end.cause)
        if connection.delivered or seconds_now() - connection.opened > self._rhythm.backoff_cap:
            self._backoff.progress()
            return
        if end.refused:
            raise InBand(end.cause)  # no log is to be had: a pod that is going away is not waited for for ever
        await self._setting.rest(self._pause())

    def _set_margin(self, connection: Connection) -> None:
        """Where nothing but the overlap came before the end, with as much of it every time nothing else ever would."""
        passed = connection.delivered or connection.proven
        connection.life.margin = MARGIN if passed else max(LEAST_MARGIN, connection.life.margin // 4)

    async def _resumption(self, life: Life) -> Resumption:
        if life.rewind is None:
            resumption = life.trail.resume(life.margin)
        else:
            resumption = life.trail.rewind(life.rewind)
            life.rewind = None
        if resumption.ambiguous and resumption.since is not None:
            since = moment_of(resumption.since)
            cause = (
                f"the clock of the node stepped back: lines from {rfc3339(since)} on may be missing or counted twice"
            )
            await self._teller.gap(cause, life)
        return resumption

    async def _admit(self, life: Life, first: datetime) -> bool:
        """The last line did not come back. Is it still this life's log? The API may lag behind the kubelet.

        To file the lines of the next life under this one would be worse than to wait: a start prints old days as new.
        """
        until = seconds_now() + self._rhythm.lag
        while seconds_now() < until:
            await asyncio.sleep(self._rhythm.settle)
            pod = await self._finder.get(life.pod_name)
            if pod is None or not life.is_served_by(pod):
                return False
        await self._teller.gap(ROTATED, life, first)
        return True


def _why(old: Life, pod: Pod) -> str:
    """Why the life before this one ended, in words."""
    known = pod if old.pod_uid == pod.uid else old.pod
    death = known.death_of(old.container_id) if known is not None else None
    told = death.tell(known.memory_limit) if death is not None and known is not None else ""
    if old.pod_uid != pod.uid:
        return f"pod {old.pod_name} was replaced by {pod.name}" + (f" ({told})" if told else "")
    return told or "the container was restarted"
