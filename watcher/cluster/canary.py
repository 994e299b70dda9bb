"""Proves that a stream delivers: compares what it brought with the newest line that the log holds.

A line that a look has seen and a silent stream does not bring means that the stream is deaf. Not everything a look sees
is a line, though: ``tailLines`` counts the pieces of long lines, and may show the end of one. Such a thing is held
against the stream once; when a reconnect does not bring it either, it is none.
"""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import Final

from watcher.cluster.api import Trouble
from watcher.cluster.connection import Connection
from watcher.cluster.looks import Newest, look
from watcher.cluster.rhythm import Backoff
from watcher.cluster.setting import seconds_now
from watcher.core.lines import SECOND, moment_of
from watcher.core.resume import Key, Place

SHORTEST_SPLIT: Final = 4096  # bytes; runtimes cut lines into pieces of 16 KiB, none of less than this


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
        upto = connection.setting.teller.clock()
        verdict = await _judge(connection)
        if verdict is Verdict.DEAF:
            return
        if verdict is Verdict.OPEN:
            await asyncio.sleep(max(rhythm.settle, backoff.pause()))
            continue
        backoff.progress()
        connection.proven = True
        await connection.setting.teller.caught_up(upto)
        proved = seconds_now()
        while not asked.is_set() and (due := max(connection.heard_at, proved) + rhythm.probe_idle - seconds_now()) > 0:
            await _wait(asked, due)


async def prove_ended(connection: Connection) -> None:
    """As ``prove``, once, for a stream that ended before it was proven: some only ever serve what is there."""
    upto = connection.setting.teller.clock()
    newest = await look(connection.setting, connection.life.pod_name)
    if newest is not None and newest.key is not None and connection.life.trail.holds(newest.key):
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
        return await _judge_piece(connection, newest)
    if await _hears(connection, newest.key):
        connection.life.suspect = None
        return Verdict.HEARD
    return _judge_missing(connection, newest.key, newest.text)


async def _hears(connection: Connection, key: Key) -> bool:
    """Wait for the line, or for one that is clearly newer, until the stream is silent for too long."""
    trail, rhythm = connection.life.trail, connection.setting.rhythm
    looked = seconds_now()
    checked: Place | None = None
    first = True
    while True:
        here = trail.here
        # A second is more than any two streams of a container are stamped out of order.
        if trail.holds(key, checked) or (not first and trail.passed(key[0] + SECOND, checked)):
            return True
        first, checked = False, here
        left = max(looked, connection.heard_at) + rhythm.stall - seconds_now()
        if left <= 0:
            return False
        await connection.hear(left)


def _judge_missing(connection: Connection, key: Key, text: bytes) -> Verdict:
    """The stream is silent, and the line is not there."""
    life = connection.life
    if key == life.suspect or _is_piece(text, life.last_text):
        return Verdict.HEARD
    life.suspect = key
    if connection.since is not None and key[0] < connection.since:
        # The server drops everything stamped before what we asked for, and the node's clock now runs there.
        life.rewind = key[0] - int((connection.idle + 2) * SECOND)
        connection.stop(f"the clock of the node stepped back to {moment_of(key[0]):%H:%M:%S}Z")
    else:
        connection.stop("deaf: the log goes on, the stream does not")
    return Verdict.DEAF


def _is_piece(text: bytes, line: bytes) -> bool:
    """Whether a look that began in the middle of a long line saw its end."""
    return bool(text) and len(line) > SHORTEST_SPLIT and len(text) < len(line) and line.endswith(text)


async def _judge_piece(connection: Connection, newest: Newest) -> Verdict:
    """An empty log, or one that ends in the middle of a line: a silent stream and the same look again have to do."""
    settle = connection.setting.rhythm.settle
    looked = seconds_now()
    while (left := max(looked, connection.heard_at) + settle - seconds_now()) > 0:
        await connection.hear(left)
    again = await look(connection.setting, connection.life.pod_name)
    if again != newest or not await _is_still_served(connection):
        return Verdict.OPEN
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
