"""Each watchdog on its own, the others switched off; and what changes between two requests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.edges.listening import PATIENT, Heard, Scene, listening, numbered
from tests.edges.scripted_kube import Fault, ScriptedKube, serving
from watcher.cluster.looks import Newest, _newest
from watcher.core.events import CaughtUp, Epoch
from watcher.core.resume import key_of
from watcher.sources import LinesRead

ASLEEP = replace(PATIENT, poll=60.0)  # no read timeout, no canary, no look at the pod
FIRST, SECOND = Epoch("uid-1", "containerd://1"), Epoch("uid-1", "containerd://2")


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    kube = ScriptedKube()
    async with serving(kube) as address:
        yield Scene(kube, address, tmp_path)


def by_epoch(heard: Heard, epoch: Epoch) -> list[bytes]:
    return [line.text for event in heard.of(LinesRead) if event.epoch == epoch for line in event.lines]


def deaf_after_first_line(scene: Scene) -> None:
    scene.kube.write(b"one")
    scene.kube.faults.append(Fault("stall", after=len(scene.kube.life.log)))


# ---- alone


async def test_the_read_timeout_alone_replaces_a_dead_stream(scene: Scene) -> None:
    deaf_after_first_line(scene)
    async with listening(scene.source(replace(ASLEEP, sock_read=0.1))) as heard:
        await heard.until(lambda: heard.caught_up == 1)
        scene.kube.write(b"two")
        await heard.until(lambda: heard.lines == [b"one", b"two"])


async def test_the_canary_alone_replaces_a_dead_stream(scene: Scene) -> None:
    deaf_after_first_line(scene)
    async with listening(scene.source(replace(ASLEEP, probe_idle=0.05))) as heard:
        await heard.until(lambda: heard.caught_up == 1)
        scene.kube.write(b"two")
        await heard.until(lambda: heard.lines == [b"one", b"two"])


async def test_the_planned_reconnect_alone_replaces_a_dead_stream(scene: Scene) -> None:
    deaf_after_first_line(scene)
    async with listening(scene.source(replace(ASLEEP, lifetime=0.2))) as heard:
        await heard.until(lambda: heard.caught_up == 1)
        scene.kube.write(b"two")
        await heard.until(lambda: heard.lines == [b"one", b"two"])
    assert heard.losses == []


async def test_the_look_at_the_pod_alone_notices_that_the_container_changed(scene: Scene) -> None:
    deaf_after_first_line(scene)
    async with listening(scene.source(replace(PATIENT, poll=0.03))) as heard:
        await heard.until(lambda: heard.caught_up == 1)
        scene.kube.write(b"two")
        scene.kube.exit(1)
        scene.kube.start()
        scene.kube.write(b"three")
        await heard.until(lambda: len(heard.lines) == 3)
    assert by_epoch(heard, FIRST) == [b"one", b"two"]
    assert by_epoch(heard, SECOND) == [b"three"]
    assert any("the stream did not" in cause for cause in heard.losses)


async def test_streams_that_only_ever_serve_what_is_there_are_caught_up_with_each_time(scene: Scene) -> None:
    """No inotify instance is left on the node: every follow ends at once, with an error in the log's place."""
    text = "failed to create fsnotify watcher: too many open files"
    async with listening(scene.source()) as heard:
        for n in range(4):
            told = heard.caught_up
            scene.kube.write(b"line %d" % n)
            scene.kube.every_follow = Fault("clean", after=0, body=text)
            scene.kube.every_follow.after = len(scene.kube.life.log)
            await heard.until(lambda: len(heard.lines) == n + 1 and heard.caught_up > told)  # noqa: B023
            at = [type(event) for event in heard.events]
            assert at[::-1].index(CaughtUp) < at[::-1].index(LinesRead)
    assert heard.lines == numbered(0, 4)


# ---- between two requests


async def test_a_restart_between_the_look_at_the_pod_and_the_stream_files_no_line_wrongly(scene: Scene) -> None:
    """The first container never logged, so that only a second look at the pod can tell."""
    kube = scene.kube

    def restart(query: str) -> None:
        if "follow=true" in query and len(kube.lives) == 1:
            kube.exit(1)
            kube.start()
            kube.write(*numbered(0, 3))

    kube.before_log = restart
    async with listening(scene.source()) as heard:
        await heard.until(lambda: len(heard.lines) == 3)
    assert by_epoch(heard, FIRST) == []
    assert by_epoch(heard, SECOND) == numbered(0, 3)


@pytest.mark.parametrize("before", [[], [b"one"]])
async def test_a_restart_in_the_middle_of_a_drain_files_no_line_wrongly(scene: Scene, before: list[bytes]) -> None:
    """Between two readings of the dead container's log the answer becomes the next one's."""
    kube = scene.kube
    readings = 0

    def restart(query: str) -> None:
        nonlocal readings
        readings += "follow=false" in query and "tailLines" not in query
        if readings == 2 and len(kube.lives) == 1:
            kube.write(b"the last words")
            kube.start()
            kube.write(*numbered(10, 13))

    kube.write(*before)
    kube.exit(1)
    kube.before_log = restart
    async with listening(scene.source()) as heard:
        await heard.until(lambda: len(heard.lines) == len(before) + 4)
    assert by_epoch(heard, FIRST) == [*before, b"the last words"]
    assert by_epoch(heard, SECOND) == numbered(10, 13)
    assert heard.gaps == []


async def test_cancelled_in_any_moment_it_can_go_on_from_its_cursor(scene: Scene) -> None:
    """What was told is behind the cursor, and only that: cut off after each event, the lines come once."""
    scene.kube.write(*numbered(0, 12))
    scene.kube.faults.extend(Fault("clean", after=n) for n in (50, 120, 260))
    lines: list[bytes] = []
    cursor = None
    for _ in range(30):
        async with listening(scene.source(), cursor) as heard:
            await heard.until(lambda: bool(heard.lines) or heard.caught_up > 0)
        lines += heard.lines
        cursor = heard.cursor or cursor
        await asyncio.sleep(0)
    assert lines == numbered(0, 12)


# ---- what a look sees

STAMP = b"2023-11-14T22:13:20.000000001Z "
NS = 1_700_000_000 * 10**9 + 1


@pytest.mark.parametrize(
    ("last", "rest", "newest"),
    [
        (b"", b"", Newest(None, b"")),
        (STAMP + b"x", b"", Newest(key_of(NS, b"x"), b"x")),
        (STAMP + b"", b"", Newest(key_of(NS, b""), b"")),
        (STAMP + b"x", STAMP + b"half", Newest(key_of(NS, b"x"), b"x")),
        (b"", STAMP + b"half", Newest(None, STAMP + b"half")),
        (b"", b"unable to retrieve container logs for containerd://1", None),
        (STAMP + b"x", b"rpc error: code = Unavailable", None),
        (b"failed to watch file", b"", None),
    ],
)
def test_the_newest_line_of_an_answer(last: bytes, rest: bytes, newest: Newest | None) -> None:
    """An unfinished line is not there yet; alone it is a piece; an error is nothing that can be known."""
    assert _newest(last, rest) == newest
