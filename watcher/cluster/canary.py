"""Proves that a stream delivers: compares what it brought with the newest line that the log holds.

A line that a look has seen and a silent stream does not bring means that the stream is deaf, however often it happens.
Not everything a look sees is a line, though: ``tailLines`` counts the pieces of long lines, and may show the end of
one. Nothing is taken as heard that is not seen to be: an answer can break off at any byte and look like a whole one.
"""

from __future__ import annotations

import asyncio
from enum import Enum, auto

from watcher.cluster.api import Trouble
from watcher.cluster.connection import SHORTEST_WAIT, Connection
from watcher.cluster.drain import ROTATED
from watcher.cluster.life import Emptied
from watcher.cluster.looks import Newest, is_piece, look
from watcher.cluster.rhythm import Backoff
from watcher.cluster.setting import seconds_now
from watcher.core.lines import SECOND, moment_of, split_stamp
from watcher.core.resume import Key, Place


class Verdict(Enum):
    """What a look says about the stream."""

    HEARD = auto()  # everything that the log held was delivered
    DEAF = auto()  # a line is missing
    OPEN = auto()  # nothing is known


async def prove(connection: Connection) -> None:
    """Look at the log when the stream opens, when somebody asks, and whenever the stream is silent for long."""
    rhythm = connection.setting.rhythm
    asked = connection.setting.asked
    backoff = Backoff(rhythm, connection.setting.jitter)
    while True:
        asked.clear()
        connection.looking.beat(rhythm.request)
        upto = connection.setting.teller.clock()
        verdict = await _judge(connection)
        if verdict is Verdict.DEAF:
            return
        if verdict is Verdict.OPEN:
            pause = max(rhythm.settle, backoff.pause())
            connection.looking.beat(pause)
            await asyncio.sleep(pause)
            continue
        backoff.progress()
        connection.proven = True
        await connection.setting.teller.caught_up(upto)
        proved = seconds_now()
        while not asked.is_set() and (due := max(connection.heard_at, proved) + rhythm.probe_idle - seconds_now()) > 0:
            connection.looking.beat(due)
            await _wait(asked, max(due, SHORTEST_WAIT))


async def prove_ended(connection: Connection) -> None:
    """As ``prove``, once, for a stream that ended in order before it was: some only ever serve what is there."""
    upto = connection.setting.teller.clock()
    newest = await look(connection.setting, connection.life.pod_name)
    if newest is None:
        return
    if newest.key is not None:
        connection.life.emptied = None
        held = connection.life.trail.holds(newest.key)
        heard = held or _judge_missing(connection, newest, newest.key) is Verdict.HEARD
    else:
        empty = not newest.text and await _is_still_served(connection)
        heard = empty and await _judge_emptied(connection) is Verdict.HEARD
    if heard:
        connection.proven = True
        await connection.setting.teller.caught_up(upto)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


async def _judge(connection: Connection) -> Verdict:
    newest = await look(connection.setting, connection.life.pod_name)
    if newest is None:
        return Verdict.OPEN
    if newest.key is None:
        return await _judge_no_line(connection, newest)
    connection.life.emptied = None
    verdict = await _wait_for(connection, newest.key)
    return _judge_missing(connection, newest, newest.key) if verdict is Verdict.DEAF else verdict


async def _wait_for(connection: Connection, key: Key) -> Verdict:
    """Wait for the line until the stream is silent for too long; not for ever, it may be none."""
    trail, rhythm = connection.life.trail, connection.setting.rhythm
    looked = seconds_now()
    checked: Place | None = None
    while True:
        here = trail.here
        if trail.holds(key, checked):
            return Verdict.HEARD
        checked = here
        now = seconds_now()
        left = rhythm.stall - min(now - looked, connection.idle)
        if left <= 0:
            return Verdict.DEAF
        if now > looked + rhythm.answer:
            return Verdict.OPEN
        connection.looking.beat(rhythm.stall)
        await connection.hear(left)


def _judge_missing(connection: Connection, newest: Newest, key: Key) -> Verdict:
    """The stream is silent, and the line is not there."""
    life = connection.life
    if is_piece(newest, life.last_seen):
        return Verdict.HEARD
    if connection.since is not None and key[0] < connection.since:
        # The server drops everything stamped before what we asked for, and the node's clock now runs there.
        life.rewind = key[0] - int((connection.idle + 2) * SECOND)
        connection.stop(f"the clock of the node stepped back to {moment_of(key[0]):%H:%M:%S}Z")
    else:
        connection.stop("deaf: the log goes on, the stream does not")
    return Verdict.DEAF


async def _judge_no_line(connection: Connection, newest: Newest) -> Verdict:
    """An empty log, or one that ends in the middle of a line: a silent stream and the same look again have to do."""
    settle = connection.setting.rhythm.settle
    looked = seconds_now()
    while (left := max(looked, connection.heard_at) + settle - seconds_now()) > 0:
        connection.looking.beat(settle)
        await connection.hear(left)
    connection.looking.beat(connection.setting.rhythm.step)
    again = await look(connection.setting, connection.life.pod_name)
    if again != newest or not await _is_still_served(connection):
        return Verdict.OPEN
    if newest.text:
        _, text = split_stamp(newest.text)
        return Verdict.HEARD if text and connection.rest.endswith(text) else Verdict.OPEN
    return await _judge_emptied(connection)


async def _judge_emptied(connection: Connection) -> Verdict:
    """Nothing is there. Where something was, the log was rotated, and a stream may be deaf behind the old file.

    Another stream begins with the new file. Where there is still nothing then, the end of the old one is told as a gap;
    once, as long as somebody looks.
    """
    life, now = connection.life, seconds_now()
    last, emptied = life.trail.here.last, life.emptied
    if last is None:
        return Verdict.HEARD
    if emptied is None or emptied.last != last or now > emptied.seen + 2 * connection.setting.rhythm.probe_idle:
        life.emptied = Emptied(last, now)
        connection.stop("the log was rotated", planned=True)
        return Verdict.DEAF
    emptied.seen = now
    if not emptied.told:
        emptied.told = True
        await connection.setting.teller.gap(ROTATED, life)
    return Verdict.HEARD


async def _is_still_served(connection: Connection) -> bool:
    """An empty log may be the next container's."""
    if connection.life.trail.here.last is None:
        return True
    try:
        pod = await connection.setting.finder.get(connection.life.pod_name)
    except Trouble:
        return False
    return pod is not None and connection.life.is_served_by(pod)
