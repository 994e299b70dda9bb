"""Deliberate bugs in the daemon, and the laws of the simulation that notice them (``docs/simulation.md``).

Each is one thought that is easily had: "the stream ended, so the container did". A simulation that does not notice it
proves nothing about a daemon that does without it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest

from watcher.cluster import canary, connection, drain
from watcher.cluster.api import Trouble
from watcher.cluster.canary import Verdict
from watcher.cluster.connection import Connection, End
from watcher.cluster.drain import Drain
from watcher.cluster.follower import Follower
from watcher.cluster.intake import Elsewhere
from watcher.cluster.life import Life
from watcher.cluster.pods import Pod
from watcher.cluster.setting import seconds_now
from watcher.cluster.telling import Teller
from watcher.core import abandoned, completion, counting, judging, lost, orchestrator, outbox, requests, silence
from watcher.core.commands import Record
from watcher.core.events import Epoch, Fact, LogRead
from watcher.core.orchestrator import step
from watcher.core.plan import Plan
from watcher.core.resume import Key, Resumption, Sieve
from watcher.core.state import Answer, Open, Stage, State
from watcher.core.turn import Turn
from watcher.core.window import Window
from watcher.daemon import Daemon
from watcher.errors import StateError
from watcher.simulator.law import Law
from watcher.sources import LinesRead

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Mutant:
    """A bug, how to put it in, the laws that it may break first, and a seed in which it did when this was written."""

    bug: str
    put_in: Callable[[Patch], None]
    laws: frozenset[Law]
    hint: int


# ---- the log --------------------------------------------------------------------------------------------------------


def all_that_comes_back_is_new(patch: Patch) -> None:
    """The multiset of the resume is skipped: an overlap is taken twice."""
    right = Sieve.__init__

    def wrong(self: Sieve, resumption: Resumption) -> None:
        right(self, replace(resumption, seen=Counter(), anchor=None))

    patch.setattr(Sieve, "__init__", wrong)


def only_what_is_stamped_later_is_new(patch: Patch) -> None:
    """The multiset of the resume is a comparison of stamps: ``ts > last``."""
    right = Sieve.sift

    def wrong(self: Sieve, lines: Iterable[bytes]) -> list[tuple[Key, bytes]]:
        anchor = self._resumption.anchor
        fresh = right(self, lines)
        return fresh if anchor is None else [(key, text) for key, text in fresh if key[0] > anchor[0]]

    patch.setattr(Sieve, "sift", wrong)


def a_clean_end_of_the_stream_is_the_end_of_the_container(patch: Patch) -> None:
    """EOF is taken as done: nothing more is read of a container that still runs."""
    rest, read = Follower._rest, Follower._read

    async def wrong_rest(self: Follower, over: Connection, end: End, *, polling: bool) -> None:
        over.life.done = over.life.done or end == connection.ENDED
        await rest(self, over, end, polling=polling)

    async def wrong_read(self: Follower, life: Life, pod: Pod) -> None:
        await read(self, life, replace(pod, running=False) if life.done else pod)

    patch.setattr(Follower, "_rest", wrong_rest)
    patch.setattr(Follower, "_read", wrong_read)


def a_clean_end_of_a_reading_is_the_end_of_the_log(patch: Patch) -> None:
    """EOF is taken as done: the log of a dead container is read once, and nobody looks at its end."""

    async def wrong(self: Drain) -> None:
        intake = await self._read()
        if intake is not None:
            await self._finish(intake, drain._End())

    patch.setattr(Drain, "run", wrong)


def a_half_line_at_a_cut_is_a_line(patch: Patch) -> None:
    """What came after the last newline is delivered when the stream ends."""
    right = Connection.read

    async def wrong(self: Connection) -> End:
        end = await right(self)
        if end == connection.ENDED and self._intake.tail:
            with suppress(Elsewhere, Trouble):
                await self._intake.take_tail(seconds_now())
        return end

    patch.setattr(Connection, "read", wrong)


def a_silent_stream_is_believed(patch: Patch) -> None:
    """The canary sees a line and does not ask whether the stream brought it: one behind a rotation is deaf."""

    async def wrong(self: Connection, key: Key) -> Verdict:
        return Verdict.HEARD

    patch.setattr(canary, "_wait_for", wrong)


def a_drain_that_came_back_has_finished(patch: Patch) -> None:
    """The rest of a log that could not be read to its end is given up without a word."""
    right = Follower._leave

    async def wrong(self: Follower, life: Life, pod: Pod | None) -> None:
        await right(self, life, pod)
        life.done = True

    patch.setattr(Follower, "_leave", wrong)


def gaps_are_not_told(patch: Patch) -> None:
    """What is lost is lost in silence."""

    async def wrong(self: Teller, cause: str, life: Life | None = None, end: datetime | None = None) -> None:
        pass

    patch.setattr(Teller, "gap", wrong)


# ---- the shell ------------------------------------------------------------------------------------------------------


def acts_before_it_saves(patch: Patch) -> None:
    """Commands leave before the state that explains them is on the disk."""

    async def wrong(self: Daemon, happened: Any, tasks: asyncio.TaskGroup) -> None:
        event = self.edges.matcher.read_lines(happened) if isinstance(happened, LinesRead) else happened
        self._cursor = happened.cursor if isinstance(happened, LinesRead) else self._cursor
        self.state, commands = step(self.state, event, self.edges.clock(), self.plan, more=not self.inbox.is_empty)
        for command in commands:
            self._carry_out(command, tasks)
        if isinstance(event, LogRead) and not commands:
            self._unsaved_since = self._unsaved_since or self.edges.clock()
        else:
            await self._save(tuple(command for command in commands if isinstance(command, Record)))

    patch.setattr(Daemon, "_turn", wrong)


def acts_although_it_could_not_save(patch: Patch) -> None:
    """A full disk is no reason to wait."""

    async def wrong(self: Daemon, records: tuple[Record, ...]) -> None:
        self._saved_cursor = self._cursor.dump() if self._cursor is not None else self._saved_cursor
        self._unsaved_since = None
        with suppress(StateError):
            await self.edges.save(self.state, self._saved_cursor, records)

    patch.setattr(Daemon, "_save", wrong)


def the_cursor_is_ahead_of_the_lines(patch: Patch) -> None:
    """The cursor of what has arrived is saved with the state of what was read."""
    right = Daemon._save

    async def wrong(self: Daemon, records: tuple[Record, ...]) -> None:
        read = [event.cursor for event, _ in self.inbox._waiting if isinstance(event, LinesRead)]
        self._cursor = read[-1] if read else self._cursor
        await right(self, records)

    patch.setattr(Daemon, "_save", wrong)


# ---- the core: what counts ------------------------------------------------------------------------------------------


def _replace_is_of_request(patch: Patch, wrong: Callable[[Open, Epoch | None, Fact, Epoch | None], bool]) -> None:
    for module in (counting, completion, orchestrator, lost):
        patch.setattr(module, "is_of_request", wrong)


def lines_of_any_epoch_count(patch: Patch) -> None:
    """What a dead container was asked for is taken from what the next one prints."""
    right = counting.is_of_request
    _replace_is_of_request(patch, lambda held, wanted, fact, _: right(held, wanted, fact, wanted))
    patch.setattr(requests, "void", lambda *_: None)  # else no request is open that lines of another epoch could meet


def lines_from_before_the_request_count(patch: Patch) -> None:
    """Stamps do not matter."""
    _replace_is_of_request(patch, lambda _held, wanted, _fact, epoch: epoch == wanted)


def lines_before_the_start_line_count(patch: Patch) -> None:
    """The start line of the pipeline is ignored."""
    patch.setattr(counting, "_in_order", lambda *_: True)


def an_emptied_store_is_done(patch: Patch) -> None:
    """``from 0 to 0`` is a written set like any other."""
    right = completion.learn

    def wrong(turn: Turn, fact: Fact, epoch: Epoch | None) -> None:
        right(turn, replace(fact, rows_out=fact.rows_out or 1), epoch)

    patch.setattr(orchestrator, "learn", wrong)


# ---- the core: silence ----------------------------------------------------------------------------------------------


def quiet_counts_while_nothing_is_heard(patch: Patch) -> None:
    """The patience runs while no stream is open."""
    right = silence.listen

    def wrong(turn: Turn) -> None:
        right(turn)
        for name in [stage.name for stage in turn.plan.stages if turn.state.log.blind_since is not None]:
            due = silence._deadline(turn.state, turn.plan, name)
            if due is not None and due <= turn.now and judging.rests_by_quiet(turn.state, turn.plan, name):
                judging.conclude_quiet(turn, name)

    patch.setattr(orchestrator, "listen", wrong)


def quiet_counts_over_a_gap(patch: Patch) -> None:
    """Quiet is concluded although a part of the log is missing."""
    right = judging.rests_by_quiet

    def wrong(state: State, plan: Plan, name: str) -> bool:
        held = state.stage(name).open
        if held is None:
            return False
        stages = tuple(
            replace(one, open=replace(held, gapless=True)) if one.name == name else one for one in state.stages
        )
        return right(replace(state, stages=stages), plan, name)

    for module in (judging, silence):
        patch.setattr(module, "rests_by_quiet", wrong)


def quiet_needs_no_look_at_the_log(patch: Patch) -> None:
    """Quiet is concluded without asking whether the log was read to its end."""
    right = silence.listen

    def wrong(turn: Turn) -> None:
        if turn.state.log.blind_since is None:
            turn.set_log(heard_until=turn.now)
        right(turn)

    patch.setattr(orchestrator, "listen", wrong)


def silence_is_death(patch: Patch) -> None:
    """A request is sent again after a patience, without evidence that it never arrived."""
    patch.setattr(silence, "_never_arrived", lambda *_: True)


# ---- the core: requests ---------------------------------------------------------------------------------------------


def the_next_stage_does_not_wait(patch: Patch) -> None:
    """The last stage is asked for while the others are not done."""
    right = requests._next_window
    ask = requests._ask

    def last(turn: Turn) -> str:
        return turn.plan.stages[-1].name

    def wrong(turn: Turn, name: str) -> Window | None:
        return right(turn, last(turn)) or right(turn, name)

    patch.setattr(requests, "_next_window", wrong)
    patch.setattr(requests, "_ask", lambda turn, _, window: ask(turn, last(turn), window))


def no_answer_means_not_sent(patch: Patch) -> None:
    """A time-out is taken as a request that reached nobody."""
    right = requests.answer

    def wrong(turn: Turn, request: int, outcome: Answer, text: str) -> None:
        if outcome is Answer.UNCLEAR:
            requests.try_later(turn, request, text)
        else:
            right(turn, request, outcome, text)

    patch.setattr(requests, "answer", wrong)


def what_was_on_its_way_in_a_crash_was_not_sent(patch: Patch) -> None:
    """After a crash the request is sent again at once."""
    right = orchestrator._boot

    def wrong(turn: Turn) -> None:
        for stage in turn.state.stages:
            if stage.open is not None and stage.open.answer is Answer.AWAITED:
                requests._take_back(turn, stage.name, "surely not sent")
        right(turn)

    patch.setattr(orchestrator, "_boot", wrong)


def two_requests_at_once(patch: Patch) -> None:
    """A request that is open does not keep the next one back."""

    def wrong(_: Stage) -> bool:
        return False

    patch.setattr(requests, "_is_open", wrong)


def a_skip_is_the_end_of_the_work(patch: Patch) -> None:
    """Who skips a stage need not wait for it."""
    patch.setattr(abandoned, "abandon", lambda *_: None)


# ---- the core: people -----------------------------------------------------------------------------------------------


def a_message_that_failed_is_dropped(patch: Patch) -> None:
    """A destination that is down has had its chance."""
    patch.setattr(outbox, "failed", lambda turn, number, destination, _: outbox.delivered(turn, number, destination))


def a_hold_is_not_told(patch: Patch) -> None:
    """The run holds, and nobody is told."""
    right = Turn.tell

    def wrong(self: Turn, kinds: Iterable[str], severity: str, title: str, body: str) -> None:
        if "held" not in kinds:
            right(self, kinds, severity, title, body)

    patch.setattr(Turn, "tell", wrong)


# ---- all of them ----------------------------------------------------------------------------------------------------


def _caught(put_in: Callable[[Patch], None], hint: int, *laws: Law) -> Mutant:
    return Mutant(put_in.__name__.replace("_", " "), put_in, frozenset(laws), hint)


MUTANTS = [
    _caught(all_that_comes_back_is_new, 0, Law.EACH_LINE_ONCE),
    _caught(only_what_is_stamped_later_is_new, 11, Law.HEARD_IS_HEARD, Law.NEVER_DEAF),
    _caught(a_clean_end_of_the_stream_is_the_end_of_the_container, 15, Law.HEARD_IS_HEARD, Law.NEVER_DEAF),
    _caught(a_clean_end_of_a_reading_is_the_end_of_the_log, 89, Law.HEARD_IS_HEARD, Law.NEVER_DEAF),
    _caught(a_half_line_at_a_cut_is_a_line, 8, Law.EACH_LINE_ONCE),
    _caught(a_silent_stream_is_believed, 10, Law.HEARD_IS_HEARD, Law.NEVER_DEAF),
    _caught(a_drain_that_came_back_has_finished, 57, Law.HEARD_IS_HEARD, Law.NEVER_DEAF),
    _caught(gaps_are_not_told, 16, Law.HEARD_IS_HEARD, Law.NEVER_DEAF),
    _caught(acts_before_it_saves, 0, Law.SAVE_THEN_ACT),
    _caught(acts_although_it_could_not_save, 29, Law.SAVE_THEN_ACT),
    _caught(the_cursor_is_ahead_of_the_lines, 3, Law.CURSOR_NEVER_LEADS),
    _caught(lines_of_any_epoch_count, 0, Law.DONE_IS_TRUE),
    _caught(lines_from_before_the_request_count, 38, Law.DONE_IS_TRUE),
    _caught(lines_before_the_start_line_count, 56, Law.DONE_IS_TRUE),
    _caught(an_emptied_store_is_done, 79, Law.DONE_IS_TRUE),
    _caught(quiet_counts_while_nothing_is_heard, 44, Law.SILENCE_IS_HEARD, Law.DONE_IS_TRUE),
    _caught(quiet_counts_over_a_gap, 51, Law.SILENCE_IS_HEARD, Law.DONE_IS_TRUE),
    _caught(quiet_needs_no_look_at_the_log, 3, Law.SILENCE_IS_HEARD),
    _caught(silence_is_death, 51, Law.NO_REPEAT, Law.ONE_REQUEST_OPEN),
    _caught(the_next_stage_does_not_wait, 0, Law.STAGE_ORDER),
    _caught(no_answer_means_not_sent, 11, Law.NO_REPEAT, Law.ONE_REQUEST_OPEN),
    _caught(what_was_on_its_way_in_a_crash_was_not_sent, 1, Law.NO_REPEAT, Law.ONE_REQUEST_OPEN),
    _caught(two_requests_at_once, 2, Law.ONE_REQUEST_OPEN, Law.SAVE_THEN_ACT),
    _caught(a_skip_is_the_end_of_the_work, 60, Law.ONE_REQUEST_OPEN, Law.DONE_IS_TRUE),
    _caught(a_message_that_failed_is_dropped, 11, Law.OUTBOX),
    _caught(a_hold_is_not_told, 0, Law.PEOPLE_ARE_TOLD),
]
