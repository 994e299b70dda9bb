"""The shell: one queue, one writer. Takes an event, steps, saves, publishes the snapshot, carries out the commands.

Everything else only puts events into the queue or reads ``state``. The order is the promise: the state that says
"requested" is on the disk before the request leaves.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol, assert_never

from watcher.core.commands import Command, Confirm, Notify, Record, Request
from watcher.core.events import Booted, DeadlineReached, Event, LogRead, RequestWithheld
from watcher.core.moves import ENDED_RUN, RunStatus
from watcher.core.orchestrator import step
from watcher.core.plan import Plan
from watcher.core.silence import next_deadline
from watcher.core.state import HoldKind, State
from watcher.core.view import exit_code
from watcher.errors import StateError, WatcherError
from watcher.inbox import Inbox
from watcher.pulse import Pulse, Pulses
from watcher.sources import Cursor, LinesRead, Source, SourceEvent

log = logging.getLogger("watcher")

LONGEST_SLEEP = 10.0  # seconds; the wall clock may be set while we sleep, and the watchdog wants to see us move
LAZY_SAVE = timedelta(seconds=1)  # how far the saved cursor may lag while nothing else changes
SAVE_RETRIES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 10.0)  # seconds; then the daemon ends, temporarily
SLOWEST_TURN = 120.0  # seconds; a disk may be full or slow for a while, to hang in one save for longer is a standstill
LAST_WORDS = 10.0  # seconds that the last messages get before ``--once`` ends


class Reads(Protocol):
    """Turns raw lines into what they mean (``matcher.Matcher``)."""

    def read_lines(self, read: LinesRead) -> LogRead:
        """The facts and counts of a batch."""


Save = Callable[[State, str | None, tuple[Record, ...]], Awaitable[None]]  # raises StateError if it could not
Send = Callable[[Request], Awaitable[Event]]
Tell = Callable[[Notify], Awaitable[Event]]


@dataclass(frozen=True, slots=True)
class Edges:
    """Everything outside that the daemon talks to. ``withhold`` says what a dry run would have sent; None: send.

    ``longest`` is how many seconds ``send`` and ``tell`` may take, whatever happens outside.
    """

    source: Source
    matcher: Reads
    save: Save
    send: Send
    tell: Tell
    clock: Callable[[], datetime]
    withhold: Callable[[Request], str] | None = None
    longest: float = 600.0


class Daemon:
    """One run, driven until it ends (``once``) or until it is told to stop."""

    def __init__(self, state: State, cursor: str | None, plan: Plan, edges: Edges, *, once: bool = False) -> None:
        self.state = state
        self.plan = plan
        self.edges = edges
        self.once = once
        self.inbox = Inbox()
        self.pulses = Pulses()
        self.watchers: list[Callable[[State], None]] = []
        self._saved_cursor = cursor
        self._cursor: Cursor | None = None
        self._unsaved_since: datetime | None = None
        self._stopped = False

    def stop(self) -> None:
        """End after the present turn: save, send nothing more."""
        self._stopped = True
        self.inbox.wake()

    async def put(self, event: Event) -> None:
        """Put an event in the queue."""
        await self.inbox.put(event)

    async def run(self) -> int:
        """Drive the run. Returns the exit code of the run as it stands when the daemon ends.

        Raises what a save or the source raises for the operator (``WatcherError``).
        """
        if self.once and is_over(self.state):
            return exit_code(self.state)
        try:
            await self._drive()
        except BaseExceptionGroup as group:
            expected = group.subgroup(WatcherError)
            if expected is None or len(expected.exceptions) != len(group.exceptions):
                raise
            raise expected.exceptions[0] from None
        await self._save(())
        return exit_code(self.state)

    async def _drive(self) -> None:
        with self.pulses.expect("the daemon's loop", SLOWEST_TURN) as pulse:
            async with asyncio.TaskGroup() as tasks:
                follower = None
                try:
                    await self._turn(Booted(), tasks)
                    follower = tasks.create_task(
                        self.edges.source.follow(self.inbox.put, self._saved_cursor), name="follow"
                    )
                    await self._turns(tasks, follower, pulse)
                finally:
                    for task in (*self._running, *([follower] if follower is not None else [])):
                        task.cancel()

    # ---- turns

    @property
    def _running(self) -> list[asyncio.Task[None]]:
        return [task for task in asyncio.all_tasks() if task.get_name().startswith("do: ")]

    async def _turns(self, tasks: asyncio.TaskGroup, follower: asyncio.Task[None], pulse: Pulse) -> None:
        last_words: datetime | None = None
        while not self._stopped:
            event = self.inbox.take()
            if event is None:
                sleep = self._sleep()
                pulse.beat(sleep)
                await self.inbox.wait(sleep)
                event = self.inbox.take()
            pulse.beat(SLOWEST_TURN)
            if event is not None:
                await self._turn(event, tasks)
            elif self._is_due():
                await self._turn(DeadlineReached(), tasks)
            await self._save_lazily()
            if follower.done() and (follower.cancelled() or follower.exception() is None):
                raise RuntimeError("nobody follows the log any more")  # a bug: the next start reads on
            if self.once and self._rests():
                now = self.edges.clock()
                last_words = last_words or now
                if not self._has_messages() or now - last_words >= timedelta(seconds=LAST_WORDS):
                    return
            else:
                last_words = None
            await asyncio.sleep(0)  # however much there is to do, the log is read and probes are answered

    def _sleep(self) -> float:
        now = self.edges.clock()
        times = [LONGEST_SLEEP]
        deadline = next_deadline(self.state, self.plan)
        if deadline is not None:
            times.append((deadline - now).total_seconds())
        if self._unsaved_since is not None:
            times.append((self._unsaved_since + LAZY_SAVE - now).total_seconds())
        if self.once and self._rests():
            times.append(0.1)
        return max(0.0, min(times))

    def _is_due(self) -> bool:
        deadline = next_deadline(self.state, self.plan)
        return deadline is not None and deadline <= self.edges.clock()

    async def _turn(self, happened: Event | SourceEvent, tasks: asyncio.TaskGroup) -> None:
        if isinstance(happened, LinesRead):
            event: Event = self.edges.matcher.read_lines(happened)
            self._cursor = happened.cursor
        else:
            event = happened
        log.debug(">> %s", event)
        self.state, commands = step(self.state, event, self.edges.clock(), self.plan, more=not self.inbox.is_empty)
        records = tuple(command for command in commands if isinstance(command, Record))
        if isinstance(event, LogRead) and not commands:
            self._unsaved_since = self._unsaved_since or self.edges.clock()
        else:
            await self._save(records)
        for watch in self.watchers:
            watch(self.state)
        for command in commands:
            self._carry_out(command, tasks)

    # ---- saving

    async def _save_lazily(self) -> None:
        if self._unsaved_since is not None and self.edges.clock() >= self._unsaved_since + LAZY_SAVE:
            await self._save(())

    async def _save(self, records: tuple[Record, ...]) -> None:
        """Save, patiently: a disk may be full for a while. Nothing else happens meanwhile, that is the point."""
        if self._cursor is not None:
            self._saved_cursor = self._cursor.dump()
        for pause in (*SAVE_RETRIES, None):
            try:
                await self.edges.save(self.state, self._saved_cursor, records)
            except StateError as error:
                if pause is None:
                    raise
                log.error("%s; trying again in %s s", error, pause)  # noqa: TRY400  a full disk needs no traceback
                await asyncio.sleep(pause)
            else:
                self._unsaved_since = None
                return

    # ---- commands

    def _carry_out(self, command: Command, tasks: asyncio.TaskGroup) -> None:
        match command:
            case Record():
                level = logging.WARNING if command.kind in {"trouble", "illegal"} else logging.INFO
                log.log(level, "%s", _sentence(command), extra={"record": command})
            case Request():
                self._do(tasks, f"request {command.request}", lambda: self._request(command))
            case Notify():
                self._do(tasks, f"notify {command.message} {command.destination}", lambda: self._notify(command))
            case Confirm():
                self._do(tasks, "confirm", self.edges.source.confirm)
            case _:
                assert_never(command)

    def _do(self, tasks: asyncio.TaskGroup, name: str, work: Callable[[], Awaitable[None]]) -> None:
        tasks.create_task(self._watched(name.partition(" ")[0], work), name=f"do: {name}")

    async def _watched(self, kind: str, work: Callable[[], Awaitable[None]]) -> None:
        with self.pulses.expect(f"a {kind}", self.edges.longest):
            await work()  # made only here: a task that is cancelled before it began leaves nothing behind

    async def _request(self, command: Request) -> None:
        if self.edges.withhold is not None:
            await self.inbox.put(RequestWithheld(command.request, self.edges.withhold(command)))
            return
        await self.inbox.put(await self.edges.send(command))

    async def _notify(self, command: Notify) -> None:
        await self.inbox.put(await self.edges.tell(command))

    # ---- ends

    def _rests(self) -> bool:
        return self.state.status in ENDED_RUN or self.state.status is RunStatus.HELD

    def _has_messages(self) -> bool:
        return any(d.sending or not d.attempts for m in self.state.outbox.messages for d in m.deliveries.values())


def is_over(state: State) -> bool:
    """True where ``once`` has nothing to do: the run is finished, or a person must decide, and is not waited for."""
    hold = state.hold if state.status is RunStatus.HELD else None
    return state.status in ENDED_RUN or (hold is not None and hold.kind is HoldKind.DECISION)


def _sentence(record: Record) -> str:
    where = " ".join(str(part) for part in (record.stage, record.day) if part is not None)
    move = f"{record.before} -> {record.after}" if record.before and record.after else ""
    text = "" if record.text == record.after else record.text
    return " ".join(part for part in (f"[{record.kind}]", where, move, text) if part)
