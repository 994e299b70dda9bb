"""Files that grow, rotate, shrink and vanish; standard input."""
# ruff: noqa: ASYNC240 - the files change under the reader, that is the point

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.edges.listening import clock, listening, numbered
from watcher.core.events import Attached, CaughtUp, StreamLost
from watcher.files import FileSource, StdinSource
from watcher.files.rotation import FileCursor, rotated
from watcher.files.standard_input import READER_THREAD
from watcher.sources import LinesRead

POLL = 0.02


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def write(path: Path, lines: list[bytes]) -> None:
    with path.open("ab") as file:
        file.write(b"".join(line + b"\n" for line in lines))


def source(log: Path) -> FileSource:
    return FileSource(log, clock, POLL)


async def test_backlog_then_what_is_appended(log: Path) -> None:
    write(log, numbered(0, 5))
    async with listening(source(log)) as heard:
        await heard.until(lambda: heard.caught_up == 1)
        assert heard.lines == numbered(0, 5)
        assert isinstance(heard.events[0], Attached)
        assert (heard.events[0].epoch, heard.events[0].target) == (None, str(log))
        assert isinstance(heard.events[-1], CaughtUp)
        write(log, [b"2023-01-01T00:00:00.000000000Z stamps stay\xff\r"])
        await heard.until(lambda: heard.caught_up == 2)
    assert heard.lines[5:] == [b"2023-01-01T00:00:00.000000000Z stamps stay\xff\r"]
    assert all(line.at is None for event in heard.of(LinesRead) for line in event.lines)


async def test_half_a_line_is_held_back_until_its_end_comes(log: Path) -> None:
    log.write_bytes(b"one\ntw")
    async with listening(source(log)) as heard:
        await heard.until(lambda: heard.caught_up == 1)
        assert heard.lines == [b"one"]
        write(log, [b"o"])
        await heard.until(lambda: heard.lines == [b"one", b"two"])


async def test_confirm_looks_at_the_end_again(log: Path) -> None:
    write(log, [b"x"])
    following = source(log)
    async with listening(following) as heard:
        await heard.until(lambda: heard.caught_up == 1)
        asked = clock()
        await following.confirm()
        await heard.until(lambda: heard.caught_up == 2)
        assert heard.of(CaughtUp)[1].upto >= asked


async def test_a_renamed_file_is_read_to_its_end_before_the_next_one(log: Path) -> None:
    write(log, numbered(0, 3))
    async with listening(source(log)) as heard:
        await heard.until(lambda: len(heard.lines) == 3)
        old = log.with_name("app.log.1")
        log.rename(old)
        write(log, numbered(5, 7))
        write(old, numbered(3, 4))  # the writer had not noticed yet
        with old.open("ab") as file:
            file.write(b"line 4")  # and died in mid-line
        await heard.until(lambda: len(heard.lines) == 7)
    assert heard.lines == numbered(0, 7)
    assert heard.gaps == []
    assert heard.losses == []


async def test_copy_and_truncate_reads_the_rest_from_the_copy(log: Path) -> None:
    write(log, numbered(0, 3))
    async with listening(source(log)) as heard:
        await heard.until(lambda: len(heard.lines) == 3)
        write(log, numbered(3, 6))
        shutil.copy(log, log.with_name("app.log.1"))
        os.truncate(log, 0)
        write(log, [b"line 6"])
        await heard.until(lambda: len(heard.lines) == 7)
    assert heard.lines == numbered(0, 7)
    assert heard.gaps == []


async def test_truncation_without_a_copy_is_a_gap(log: Path) -> None:
    write(log, numbered(0, 3))
    async with listening(source(log)) as heard:
        await heard.until(lambda: len(heard.lines) == 3)
        os.truncate(log, 0)
        await heard.until(lambda: bool(heard.gaps))
        write(log, [b"new"])
        await heard.until(lambda: heard.lines[3:] == [b"new"])
    assert "truncated" in heard.gaps[0]


async def test_a_file_that_is_missing_or_unreadable_is_waited_for(log: Path) -> None:
    log.mkdir()
    async with listening(source(log)) as heard:
        await heard.until(lambda: heard.losses == [f"{log}: not a regular file"])
        log.rmdir()
        await heard.until(lambda: heard.losses[1:] == [f"{log}: No such file or directory"])
        await asyncio.sleep(POLL * 5)
        assert len(heard.losses) == 2
        write(log, [b"x"])
        await heard.until(lambda: heard.lines == [b"x"] and heard.caught_up == 1)


async def test_a_file_that_vanishes_is_lost_and_found(log: Path) -> None:
    write(log, [b"one"])
    async with listening(source(log)) as heard:
        await heard.until(lambda: heard.caught_up == 1)
        log.unlink()
        await heard.until(lambda: len(heard.losses) == 1)
        write(log, [b"two"])
        await heard.until(lambda: heard.caught_up == 2)
    assert heard.lines == [b"one", b"two"]
    assert len(heard.of(Attached)) == 2


async def test_a_named_pipe_blocks_nobody(log: Path) -> None:
    os.mkfifo(log)
    async with listening(source(log)) as heard:
        await heard.until(lambda: heard.losses == [f"{log}: not a regular file"])


async def test_one_line_without_end_does_not_fill_the_memory(log: Path) -> None:
    with log.open("wb") as file:
        for _ in range(5):
            file.write(b"x" * 1024 * 1024)
    async with listening(source(log)) as heard:
        await heard.until(lambda: heard.caught_up == 1)
        write(log, [b"", b"next"])
        await heard.until(lambda: len(heard.lines) == 2)
    assert heard.lines == [b"x" * 1024 * 1024, b"next"]
    assert FileCursor.load(heard.cursor or "").offset == log.stat().st_size


# ---- resume


def rename(log: Path) -> None:
    log.rename(log.with_name("app.log.1"))
    log.touch()


def rename_twice(log: Path) -> None:
    log.rename(log.with_name("app.log.2"))
    write(log, numbered(6, 8))
    log.rename(log.with_name("app.log.1"))
    log.touch()


def copy_and_truncate(log: Path) -> None:
    shutil.copy(log, log.with_name("app.log.1"))
    os.truncate(log, 0)


def nothing(log: Path) -> None:
    assert log.exists()


@pytest.mark.parametrize("rotate", [nothing, rename, rename_twice, copy_and_truncate])
async def test_a_saved_place_is_found_again_whatever_was_rotated(log: Path, rotate: object) -> None:
    write(log, numbered(0, 3))
    async with listening(source(log)) as heard:
        await heard.until(lambda: heard.caught_up == 1)
    write(log, numbered(3, 6))
    assert callable(rotate)
    rotate(log)
    expected = numbered(3, 8 if rotate is rename_twice else 6)
    write(log, [b"in the new file"])
    async with listening(source(log), heard.cursor) as later:
        await later.until(lambda: later.caught_up == 1)
    assert later.lines == [*expected, b"in the new file"]
    assert later.gaps == []


async def test_every_cursor_leads_to_exactly_the_rest(log: Path) -> None:
    cursors = []
    async with listening(source(log)) as heard:
        for n in range(20):
            write(log, [b"line %d" % n])
            await heard.until(lambda: len(heard.lines) == n + 1)  # noqa: B023
            cursors.append(heard.cursor)
    for known, cursor in enumerate(cursors, start=1):
        async with listening(source(log), cursor) as later:
            await later.until(lambda: later.caught_up == 1)
        assert later.lines == numbered(known, 20)


async def test_a_file_that_is_gone_is_a_gap(log: Path) -> None:
    write(log, numbered(0, 3))
    async with listening(source(log)) as heard:
        await heard.until(lambda: heard.caught_up == 1)
    log.write_bytes(b"another content that is just as long as the other was\n" * 3)
    async with listening(source(log), heard.cursor) as later:
        await later.until(lambda: later.caught_up == 1)
    assert len(later.lines) == 3
    assert len(later.gaps) == 1
    assert "is gone" in later.gaps[0]


@pytest.mark.parametrize(
    "cursor", ["", "[]", '{"source": "kubernetes"}', '{"source": "file"}', '{"source": "file", "device": []}']
)
async def test_a_cursor_that_cannot_be_read_is_a_gap(log: Path, cursor: str) -> None:
    write(log, [b"x"])
    async with listening(source(log), cursor) as heard:
        await heard.until(lambda: heard.lines == [b"x"])
    assert len(heard.gaps) == 1


def test_what_belongs_to_a_log_and_in_which_order(log: Path) -> None:
    names = ["app.log.10", "app.log.9", "app.log.1", "app.log-20230101", "app.log.2.gz", "app.log.bak", "other.log.1"]
    for number, name in enumerate(names):
        path = log.with_name(name)
        path.touch()
        os.utime(path, ns=(0, 0) if number < 3 else (number, number))
    assert [path.name for path in rotated(log)] == ["app.log.10", "app.log.9", "app.log.1", "app.log-20230101"]


# ---- standard input


class Pipe:
    """A pipe whose ends are closed once each: a number that is closed twice may be somebody else's by then."""

    def __init__(self) -> None:
        self.reader, self._writer = os.pipe()
        self._open = True

    def write(self, text: bytes) -> None:
        os.write(self._writer, text)

    def end(self) -> None:
        if self._open:
            self._open = False
            os.close(self._writer)

    def close(self) -> None:
        """Close it when nobody reads it any more: a thread left behind would read the next pipe of this number."""
        self.end()
        for thread in threading.enumerate():
            if thread.name == READER_THREAD:
                thread.join(5)
                assert not thread.is_alive()
        os.close(self.reader)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.close()


async def test_standard_input_is_read_live_to_its_end(pipe: Pipe) -> None:
    following = StdinSource(clock, pipe.reader, idle=0.05)
    async with listening(following) as heard:
        pipe.write(b"one\ntw")
        await heard.until(lambda: heard.caught_up == 1)
        assert heard.lines == [b"one"]
        await following.confirm()
        await heard.until(lambda: heard.caught_up == 2)
        pipe.write(b"o\nlast")
        pipe.end()
        await heard.until(lambda: heard.losses == ["the input ended"])
        await asyncio.sleep(0.1)
    assert heard.lines == [b"one", b"two"]
    assert isinstance(heard.events[-1], StreamLost)
    assert heard.caught_up == 2
    assert heard.gaps == []


async def test_an_input_that_ended_before_it_was_caught_up_never_is(pipe: Pipe) -> None:
    """Nobody would hear what a request leads to."""
    async with listening(StdinSource(clock, pipe.reader)) as heard:
        pipe.write(b"one\n")
        pipe.end()
        await heard.until(lambda: heard.losses == ["the input ended"])
    assert heard.lines == [b"one"]
    assert heard.caught_up == 0


async def test_a_busy_input_is_caught_up_although_it_never_rests(pipe: Pipe) -> None:
    """Ten lines a second are a living log, not a backlog."""
    async with listening(StdinSource(clock, pipe.reader, idle=0.25)) as heard:

        async def write() -> None:
            while True:
                pipe.write(b"a line\n")
                await asyncio.sleep(0.05)

        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(write())
            await heard.until(lambda: heard.caught_up == 1)
            writing.cancel()


async def test_standard_input_cannot_be_resumed(pipe: Pipe) -> None:
    async with listening(StdinSource(clock, pipe.reader, idle=0.05), '{"source": "stdin"}') as heard:
        pipe.write(b"".join(b"line %d\n" % n for n in range(5000)))
        await heard.until(lambda: len(heard.lines) == 5000)
        pipe.end()
        await heard.until(lambda: bool(heard.losses))
    assert heard.lines == numbered(0, 5000)
    assert len(heard.gaps) == 1
    assert heard.cursor == '{"source": "stdin"}'
