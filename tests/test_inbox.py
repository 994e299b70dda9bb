"""The log is read on while the core or the disk is slow; where the room ends nothing is lost silently. Virtual time."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

import pytest

from tests.virtual_cluster import VirtualCluster, clock
from watcher.cluster.life import restore
from watcher.core.commands import Record
from watcher.core.events import CaughtUp
from watcher.core.resume import key_of
from watcher.core.state import State
from watcher.inbox import LINE, MEBIBYTE, ROOM, Inbox
from watcher.metrics import Metrics, Workings
from watcher.sources import LinesRead, RawLine

pytestmark = pytest.mark.looptime(start=0)


class Nowhere:
    def dump(self) -> str:
        return ""


NOWHERE = Nowhere()


class Disk:
    """Saves that take as long as the test wants; keeps what was saved, with how many lines were looked at then."""

    def __init__(self, world: VirtualCluster) -> None:
        self.slow: Callable[[], float] = lambda: 0.0
        self.saved: list[tuple[State, str | None, int]] = []
        self._world = world

    async def save(self, state: State, cursor: str | None, records: tuple[Record, ...]) -> None:
        self.saved.append((state, cursor, len(self._world.lines)))
        await asyncio.sleep(self.slow())


def batch(*texts: bytes) -> LinesRead:
    return LinesRead(None, tuple(map(RawLine, texts)), NOWHERE)


# ---- the box


async def test_events_come_out_in_order_and_lines_take_room() -> None:
    inbox = Inbox(room=10 * LINE)
    event = CaughtUp(clock())
    await inbox.put(batch(b"abc", b"de"))
    await inbox.put(event)
    assert inbox.used == 5 + 2 * LINE
    assert inbox.take() == batch(b"abc", b"de")
    assert (inbox.take(), inbox.take(), inbox.used) == (event, None, 0)


async def test_lines_wait_for_room_and_nothing_else_does() -> None:
    inbox = Inbox(room=LINE)
    await inbox.put(batch(b"one"))
    waiting = asyncio.ensure_future(inbox.put(batch(b"two")))
    await asyncio.sleep(100)
    assert not waiting.done()
    await inbox.put(CaughtUp(clock()))
    assert inbox.take() == batch(b"one")
    await waiting
    assert isinstance(inbox.take(), CaughtUp)
    assert inbox.take() == batch(b"two")


async def test_a_put_that_is_cancelled_adds_nothing() -> None:
    inbox = Inbox(room=LINE)
    await inbox.put(batch(b"one"))
    waiting = asyncio.ensure_future(inbox.put(batch(b"two")))
    await asyncio.sleep(1)
    waiting.cancel()
    await asyncio.sleep(1)
    assert inbox.take() == batch(b"one")
    assert (inbox.take(), inbox.used) == (None, 0)


async def test_a_wait_ends_with_an_event_with_a_wake_or_with_its_time() -> None:
    inbox, loop = Inbox(), asyncio.get_running_loop()
    await inbox.wait(7)
    assert loop.time() == 7
    loop.call_later(1, inbox.wake)
    await inbox.wait(100)
    assert loop.time() == 8
    inbox.wake()
    await inbox.wait(100)
    assert loop.time() == 8
    loop.call_later(1, lambda: asyncio.ensure_future(inbox.put(batch(b"x"))))
    await inbox.wait(100)
    assert loop.time() == 9
    await inbox.wait(100)
    assert loop.time() == 9


async def test_half_full_is_told_once_and_so_is_the_end_of_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "watcher")
    inbox = Inbox(room=10 * LINE)
    for _ in range(2):
        for _ in range(8):
            await inbox.put(batch(b""))
        while inbox.take() is not None:
            pass
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert [level for level, _ in told] == ["WARNING", "INFO"] * 2
    assert "half of the room is used" in told[0][1]


async def test_the_room_is_at_least_64_mib_of_log_in_lines_of_usual_length() -> None:
    assert ROOM / (LINE + 250) * 250 >= 64 * MEBIBYTE


def test_the_metrics_show_the_backlog_and_who_is_late() -> None:
    document = {
        "run": {"state": "running"},
        "stages": [],
        "log": {
            "lines": 0,
            "matched": 0,
            "near_missed": 0,
            "connected": True,
            "reconnects": 0,
            "gaps": [],
            "last_line_at": None,
        },
        "notifications": {"pending": 0, "failed": 0},
    }
    text = Metrics(lambda: document, lambda: Workings(5, 10, {"the reader of the log": 2.5})).render().decode()
    assert "watcher_backlog_bytes 5.0" in text
    assert "watcher_backlog_limit_bytes 10.0" in text
    assert 'watcher_task_overdue_seconds{task="the reader of the log"} 2.5' in text


# ---- the daemon


async def test_the_log_is_read_on_while_the_disk_is_slow() -> None:
    """A save takes a minute; meanwhile everything that is logged is taken off the stream within moments."""
    world = VirtualCluster()
    disk = Disk(world)
    async with asyncio.TaskGroup() as tasks:
        daemon = world.daemon(disk.save)
        running = tasks.create_task(daemon.run())
        await asyncio.sleep(60)
        disk.slow = lambda: 60.0
        wanted = [b"line %d" % n for n in range(50)]
        for text in wanted:
            world.life.log.write(text)
            await asyncio.sleep(1)
        assert len(world.lines) < 40
        stamp = len("2023-01-01T00:00:00.000000000Z ")
        assert daemon.inbox.used == sum(LINE + stamp + len(text) + 1 for text in wanted[len(world.lines) :])
        disk.slow = lambda: 0.0
        await asyncio.sleep(120)
        assert world.lines == wanted
        running.cancel()


@pytest.mark.parametrize("rotations", [0, 1, 2])
async def test_where_the_room_ends_the_reading_begins_anew_and_a_rotation_is_a_gap(rotations: int) -> None:
    """The disk hangs, the room is used up, the log is rotated: what is missing is told, nothing comes twice."""
    world = VirtualCluster()
    disk = Disk(world)
    async with asyncio.TaskGroup() as tasks:
        daemon = world.daemon(disk.save)
        daemon.inbox = Inbox(room=40 * LINE)
        running = tasks.create_task(daemon.run())
        await asyncio.sleep(60)
        hanging = asyncio.get_running_loop().time() + 25
        disk.slow = lambda: max(0.0, hanging - asyncio.get_running_loop().time())
        wanted = [b"line %d" % n for n in range(300)]
        for number, text in enumerate(wanted):
            if number in (120, 200)[:rotations]:
                world.life.log.rotate()
            world.life.log.write(text)
            await asyncio.sleep(0.1)
        await asyncio.sleep(120)
        running.cancel()
    heard = world.lines
    assert max(Counter(heard).values()) == 1
    assert heard == sorted(heard, key=wanted.index)
    gaps = daemon.state.log.gaps
    lost = [text for text in wanted if text not in heard]
    if rotations:
        assert lost
        (gap,) = gaps
        assert "rotated" in gap.cause
        assert (gap.pod, gap.container) == (world.pod.name, "cost-model")
        times = {text: record.stamp / 1e9 for text, record in zip(wanted, world.life.log.between(0, 300), strict=True)}
        assert gap.start is not None
        assert gap.end is not None
        assert all(gap.start.timestamp() - 1e-5 <= times[text] <= gap.end.timestamp() for text in lost)
    else:
        assert (lost, gaps) == ([], ())
    check_cursors(disk, heard)


def check_cursors(disk: Disk, heard: list[bytes]) -> None:
    """No saved cursor leads: behind it lies what was looked at, and not a line more."""
    assert len(disk.saved) > 2
    for _, cursor, count in disk.saved:
        last = restore(cursor, 0.0).trail.here.last if cursor is not None else None
        if last is None:
            assert count == 0
        else:
            assert last == key_of(last[0], heard[count - 1])


async def test_while_the_room_is_full_only_the_daemon_can_be_ill() -> None:
    """The reader waits for the daemon; whether that one moves is what the probe is about."""
    world = VirtualCluster()
    disk = Disk(world)
    async with asyncio.TaskGroup() as tasks:
        daemon = world.daemon(disk.save)
        daemon.inbox = Inbox(room=3 * LINE)
        running = tasks.create_task(daemon.run())
        await asyncio.sleep(60)
        disk.slow = lambda: 20.0
        for n in range(200):
            world.life.log.write(b"line %d" % n)
            await asyncio.sleep(2)
            assert world.healthy() == (True, "")
        running.cancel()
