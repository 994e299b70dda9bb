"""Follows a container through a scripted API server over real sockets: each line once, or a gap that says so."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.edges.listening import PATIENT, QUICK, Scene, clock, listening, numbered
from tests.edges.scripted_kube import NOON, Fault, ScriptedKube, serving
from watcher.core.events import Attached, CaughtUp, Epoch, GapFound, TargetReady
from watcher.core.lines import SECOND
from watcher.sources import LinesRead


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    kube = ScriptedKube()
    async with serving(kube) as address:
        yield Scene(kube, address, tmp_path)


# ---- the plain way


async def test_reads_the_backlog_says_so_and_goes_on(scene: Scene) -> None:
    scene.kube.write(*numbered(0, 50))
    async with listening(scene.source()) as heard:
        await heard.until(lambda: heard.caught_up >= 1)
        assert heard.lines == numbered(0, 50)
        scene.kube.write(b"live \xff\r")
        await heard.until(lambda: len(heard.lines) == 51)
    epoch = Epoch("uid-1", "containerd://1")
    first = next(i for i, event in enumerate(heard.events) if isinstance(event, LinesRead) and event.lines)
    assert heard.events[0] == Attached(epoch, "kubecost/kubecost-cost-analyzer-7f-1/cost-model")
    assert TargetReady(epoch) in heard.events
    assert first < heard.events.index(heard.of(CaughtUp)[0])
    assert heard.lines[-1] == b"live \xff\r"
    assert all(event.epoch == epoch for event in heard.of(LinesRead))
    stamps = [line.at for event in heard.of(LinesRead) for line in event.lines]
    assert stamps[0] is not None
    assert stamps[0].timestamp() == pytest.approx(NOON / SECOND + 0.001)
    assert heard.gaps == []
    followed = next(request for request in scene.kube.requests if "follow=true" in request)
    assert "sinceTime" not in followed
    assert "tailLines" not in followed


async def test_caught_up_is_not_said_before_the_newest_line_of_the_look_was_delivered(scene: Scene) -> None:
    scene.kube.write(*numbered(0, 300))
    scene.kube.faults.append(Fault("stall", after=400))
    async with listening(scene.source()) as heard:
        await heard.until(lambda: heard.caught_up >= 1)
        told = heard.events.index(heard.of(CaughtUp)[0])
        before = [line.text for e in heard.events[:told] if isinstance(e, LinesRead) for line in e.lines]
        assert before == numbered(0, 300)


async def test_an_empty_log_is_caught_up_with(scene: Scene) -> None:
    async with listening(scene.source()) as heard:
        await heard.until(lambda: heard.caught_up >= 1)
        assert heard.lines == []


@pytest.mark.parametrize("knows_tail", [True, False])
async def test_confirm_leads_to_a_look_of_its_own(scene: Scene, knows_tail: bool) -> None:
    scene.kube.knows_tail = knows_tail
    scene.kube.write(*numbered(0, 5))
    async with listening(scene.source(PATIENT)) as heard:
        await heard.until(lambda: heard.caught_up == 1)
        asked = clock()
        await scene.last.confirm()
        await heard.until(lambda: heard.caught_up == 2)
        assert heard.of(CaughtUp)[1].upto >= asked
    assert heard.losses == []


async def test_a_silent_stream_is_proven_again_and_again(scene: Scene) -> None:
    scene.kube.write(b"x")
    async with listening(scene.source(replace(QUICK, sock_read=30.0, probe_idle=0.05))) as heard:
        await heard.until(lambda: heard.caught_up >= 4)
        assert scene.follows() == 1


async def test_a_stream_that_is_open_but_deaf_is_replaced(scene: Scene) -> None:
    scene.kube.write(b"one")
    scene.kube.faults.append(Fault("stall", after=35))  # behind the first line
    async with listening(scene.source(replace(PATIENT, probe_idle=0.05))) as heard:
        await heard.until(lambda: heard.lines == [b"one"])
        scene.kube.write(b"one")  # the same text again: a later line, not a piece of the last
        await heard.until(lambda: heard.lines == [b"one", b"one"])
        assert any("deaf" in cause for cause in heard.losses)


async def test_confirm_finds_a_deaf_stream(scene: Scene) -> None:
    scene.kube.write(b"one")
    scene.kube.faults.append(Fault("stall", after=35))
    async with listening(scene.source(PATIENT)) as heard:
        await heard.until(lambda: heard.caught_up == 1)
        scene.kube.write(b"two")
        await scene.last.confirm()
        await heard.until(lambda: heard.lines == [b"one", b"two"] and heard.caught_up == 2)


async def test_readiness_is_told_each_time_it_begins(scene: Scene) -> None:
    scene.kube.ready = False
    async with listening(scene.source()) as heard:
        await heard.until(lambda: heard.caught_up >= 1)
        assert heard.of(TargetReady) == []
        for count in (1, 2):
            scene.kube.ready = True
            await heard.until(lambda: len(heard.of(TargetReady)) == count)  # noqa: B023
            scene.kube.ready = False
            await asyncio.sleep(0.1)
        assert set(heard.of(TargetReady)) == {TargetReady(Epoch("uid-1", "containerd://1"))}


# ---- broken streams


@pytest.mark.parametrize("kind", ["clean", "abort", "fin", "stall"])
async def test_a_cut_after_any_byte_loses_and_repeats_nothing(scene: Scene, kind: str) -> None:
    """Stamps repeat and run backwards, texts repeat; the stream is cut after byte 0, 1, 2, … of what it serves."""
    for n in range(6):
        scene.kube.write(b"same", b"line %d" % n, at=NOON + (n // 2) * SECOND - n * 1000)
    wanted = [b"same" if n % 2 == 0 else b"line %d" % (n // 2) for n in range(12)]
    size = len(scene.kube.life.log)
    rhythm = replace(QUICK, sock_read=0.02, backoff_first=0.0, backoff_cap=0.0, settle=0.02)
    step = 1 if kind == "clean" else 7
    scene.kube.faults.extend(Fault(kind, after=n) for n in range(0, size + 1, step))
    async with listening(scene.source(rhythm)) as heard:
        await heard.until(lambda: not scene.kube.faults and heard.caught_up >= 1, 40)
        scene.kube.write(b"end")
        await heard.until(lambda: heard.lines[-1:] == [b"end"])
    assert heard.lines == [*wanted, b"end"]
    assert heard.gaps == []


async def test_streams_that_all_end_within_the_overlap_still_get_ahead(scene: Scene) -> None:
    """Every stream is cut after 25 lines, and thirty seconds hold 60: with all of the overlap, none gets on."""
    for n in range(200):
        scene.kube.write(b"line %03d" % n, at=NOON + n * SECOND // 2)
    scene.kube.faults.extend([Fault("clean", after=25 * 40)] * 300)
    rhythm = replace(QUICK, backoff_first=0.0, backoff_cap=0.0, settle=0.02)
    async with listening(scene.source(rhythm)) as heard:
        await heard.until(lambda: len(heard.lines) >= 200)
    assert heard.lines == [b"line %03d" % n for n in range(200)]


async def test_random_faults_while_the_log_grows(scene: Scene) -> None:
    rng = random.Random(7)
    kinds = ["clean", "abort", "stall", "status", "inband"]
    statuses = [500, 502, 429, 404, 401]
    wanted = numbered(0, 400)

    def fault() -> Fault:
        kind = rng.choice(kinds)
        if kind == "status":
            message = "the server has asked for the client to provide credentials ( pods/log p)"
            return Fault("status", status=rng.choice(statuses), body=message, headers={"Retry-After": "0"})
        text = "failed to create fsnotify watcher: too many open files" if kind == "inband" else ""
        return Fault("clean" if kind == "inband" else kind, after=rng.randrange(900), body=text)

    rhythm = replace(QUICK, sock_read=0.05, probe_idle=0.05, lifetime=0.1)
    async with listening(scene.source(rhythm)) as heard:
        for start in range(0, 400, 10):
            scene.kube.write(*wanted[start : start + 10], step=rng.choice([0, 1, 300_000_000]))
            scene.kube.faults.append(fault())
            await asyncio.sleep(0.02)
        await heard.until(lambda: len(heard.lines) >= 400, 20)
    assert heard.lines == wanted
    assert heard.gaps == []


async def test_planned_reconnects_and_silence_are_no_loss(scene: Scene) -> None:
    scene.kube.write(*numbered(0, 5))
    async with listening(scene.source(replace(QUICK, sock_read=0.05, lifetime=0.1))) as heard:
        await heard.until(lambda: scene.follows() >= 5)
        await heard.until(lambda: heard.caught_up >= 2)
    assert heard.losses == []
    assert heard.lines == numbered(0, 5)


async def test_since_time_overlaps_by_thirty_seconds_and_is_whole(scene: Scene) -> None:
    """The scripted server refuses fractions of a second."""
    scene.kube.write(b"a", at=NOON + 100 * SECOND + 5)
    scene.kube.faults.append(Fault("clean", after=33))
    async with listening(scene.source()) as heard:
        await heard.until(lambda: scene.follows() >= 2)
    assert "sinceTime=2023-11-14T22:14:30Z" in next(r for r in scene.kube.requests if "sinceTime" in r)
    assert heard.lines == [b"a"]


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        (
            Fault("status", status=500, body='Get "https://1.2.3.4:10250/containerLogs": dial tcp: i/o timeout'),
            "i/o timeout",
        ),
        (Fault("status", status=403, body="pods is forbidden"), "forbidden"),
        (Fault("status", status=204), "204"),
        (Fault("status", status=404, body="the server could not find the requested resource ( pods/log p)"), "404"),
        (Fault("status", status=404, body='pods "node-gone" not found'), "node-gone"),
        (Fault("status", status=400, body='container "cost-model" is waiting to start: PodInitializing'), "waiting"),
        (Fault("status", status=401, body="asked for the client to provide credentials ( pods/log p)"), "provide"),
        (Fault("status", status=406, body="only the following media types are accepted"), "media types"),
        (Fault("status", status=422, body="sinceTime: Forbidden: at most one of"), "at most one"),
        (Fault("status", status=429, body="The apiserver is shutting down, please try again later."), "try again"),
        (Fault("status", status=502, body="<html>Bad Gateway</html>", headers={"Content-Type": "text/html"}), "502"),
        (Fault("status", status=504), "504"),
        (Fault("status", status=200, body="<html>log in</html>", headers={"Content-Type": "text/html"}), "text/html"),
        (Fault("status", status=200, body="{}", headers={"Content-Type": "application/json"}), "application/json"),
        (Fault("clean", body="unable to retrieve container logs for containerd://1"), "unable to retrieve"),
        (Fault("clean", body="rpc error: code = Unavailable desc = error reading from server: EOF"), "Unavailable"),
        (Fault("clean", body="a text nobody has listed"), "nobody has listed"),
    ],
    ids=[
        *["500", "403", "204", "404-kubelet", "404-node", "400", "401-kubelet", "406", "422", "429", "502", "504"],
        *["html", "json", "in-band", "in-band-runtime", "in-band-unknown"],
    ],
)
async def test_an_answer_that_is_no_log_is_told_and_never_read_as_one(scene: Scene, fault: Fault, cause: str) -> None:
    scene.kube.write(*numbered(0, 3))
    scene.kube.faults.extend([replace(fault), replace(fault)])
    async with listening(scene.source()) as heard:
        await heard.until(lambda: len(heard.lines) == 3 and heard.caught_up >= 1)
    assert any(cause in told for told in heard.losses)
    assert heard.lines == numbered(0, 3)
    assert heard.gaps == []


async def test_retry_after_is_the_least_pause(scene: Scene) -> None:
    fault = Fault("status", status=429, body="shutting down, please try again later.", headers={"Retry-After": "1"})
    scene.kube.faults.append(fault)
    scene.kube.write(b"x")
    async with listening(scene.source()) as heard:
        begin = asyncio.get_running_loop().time()
        await heard.until(lambda: heard.lines == [b"x"])
        assert asyncio.get_running_loop().time() - begin > 0.95
    assert any("please try again" in cause for cause in heard.losses)


async def test_one_loss_is_told_once_however_often_it_is_tried(scene: Scene) -> None:
    scene.kube.refused_kinds = {"pods", "log"}
    async with listening(scene.source()) as heard:
        await heard.until(lambda: len(scene.kube.requests) > 20)
        assert len(heard.losses) == 1
        scene.kube.refused_kinds = set()
        scene.kube.write(b"x")
        await heard.until(lambda: heard.lines == [b"x"])


async def test_a_server_that_is_away_is_waited_for(tmp_path: Path) -> None:
    kube = ScriptedKube()
    async with serving(kube) as address:
        scene = Scene(kube, address, tmp_path)
    async with listening(scene.source()) as heard:
        await heard.until(lambda: bool(heard.losses))
        kube.write(b"x")
        async with serving(kube, int(address.rsplit(":", 1)[1])):
            await heard.until(lambda: heard.lines == [b"x"])


async def test_in_band_errors_that_end_every_follow_still_let_it_catch_up(scene: Scene) -> None:
    """No more inotify instances on the node: every stream serves what is there and ends; that is polling."""
    text = "failed to create fsnotify watcher: too many open files"
    async with listening(scene.source()) as heard:
        for n in range(5):
            scene.kube.write(b"line %d" % n)
            size = len(scene.kube.life.log)
            scene.kube.faults.extend(Fault("clean", after=size, body=text) for _ in range(3))
            await heard.until(lambda: len(heard.lines) == n + 1 and heard.caught_up >= 1)  # noqa: B023
    assert heard.lines == numbered(0, 5)


# ---- what lines look like


async def test_lines_of_a_megabyte_and_more_are_one_line_each(scene: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Of more than a mebibyte the beginning is kept, and that is told."""
    scene.kube.write(b"a" * 200_000, b"b" * 5 * 1024 * 1024, b"c")
    async with listening(scene.source()) as heard:
        await heard.until(lambda: len(heard.lines) == 3)
        await heard.until(lambda: heard.caught_up >= 1)
    assert [len(line) for line in heard.lines[:2]] == [200_000, 1024 * 1024 - 31]
    assert heard.lines[2] == b"c"
    assert [record.levelname for record in caplog.records if "mebibyte" in record.getMessage()] == ["WARNING"]


async def test_a_text_without_stamp_in_mid_log_is_a_gap_and_no_line(scene: Scene) -> None:
    scene.kube.write(b"a")
    scene.kube.life.log += b"what is this\n"
    scene.kube.write(b"b")
    async with listening(scene.source()) as heard:
        await heard.until(lambda: heard.lines == [b"a", b"b"])
    assert len(heard.gaps) == 1
    assert "what is this" in heard.gaps[0]


def look_shows(scene: Scene, *answers: bytes) -> None:
    """Every look at the log is answered with one of these in turn, the last of them for ever; streams as usual."""
    served, left = scene.kube._pour, list(answers)

    async def pour(request: Any, response: Any, *rest: Any) -> None:
        if "tailLines" in request.query:
            await response.write(left.pop(0) if len(left) > 1 else left[0])
            return
        await served(request, response, *rest)

    scene.kube._pour = pour  # type: ignore[method-assign,assignment]


async def test_a_look_that_sees_a_piece_of_a_long_line_does_not_block_for_ever(scene: Scene) -> None:
    """``tailLines`` counts the runtime's pieces; after a restart, too, the end of a long line is known as one."""
    scene.kube.write(b"x" * 20_000 + b"the end")
    async with listening(scene.source()) as heard:
        await heard.until(lambda: len(heard.lines) == 1)
    look_shows(scene, b"2023-11-14T22:13:21.000000000Z xxxxthe end\n")
    async with listening(scene.source(PATIENT), heard.cursor) as later:
        await later.until(lambda: later.caught_up >= 1)
    assert later.lines == []


async def test_a_line_that_two_streams_in_a_row_do_not_bring_is_missing_all_the_same(scene: Scene) -> None:
    """The stream that replaces a deaf one can be as deaf: nothing is caught up with until the line came."""
    kube = scene.kube
    kube.write(b"a")
    one = len(kube.life.log)
    kube.write(b"b")
    kube.faults.extend(Fault("stall", after=one) for _ in range(3))
    async with listening(scene.source(PATIENT)) as heard:
        await heard.until(lambda: heard.caught_up >= 1, 20)
        assert heard.lines == [b"a", b"b"]
    assert len(heard.of(Attached)) == 4


async def test_a_log_that_is_empty_where_lines_were_was_rotated(scene: Scene) -> None:
    """Nobody read when it was rotated, and nothing came since: what was lost is told before the log counts as heard."""
    scene.kube.write(b"a")
    async with listening(scene.source()) as heard:
        await heard.until(lambda: heard.caught_up >= 1)
    scene.kube.write(b"never seen")
    scene.kube.rotate()
    async with listening(scene.source(replace(PATIENT, probe_idle=0.3)), heard.cursor) as later:
        await later.until(lambda: later.caught_up >= 1)
        assert next(type(event) for event in later.events if isinstance(event, (GapFound, CaughtUp))) is GapFound
    (gap,) = later.gaps
    assert "rotated" in gap


async def test_a_look_that_broke_off_proves_nothing(scene: Scene) -> None:
    """The beginning of the newest line, twice: an answer can end at any byte, in good order."""
    scene.kube.write(b"a", b"b")
    half = scene.kube.life.log.splitlines(keepends=True)[1][:-1]
    look_shows(scene, half, half, half, half, half + b"\n")
    scene.kube.faults.append(Fault("stall", after=len(half) + 1))
    async with listening(scene.source(PATIENT)) as heard:
        await heard.until(lambda: heard.caught_up >= 1, 20)
        assert heard.lines == [b"a", b"b"]


async def test_rotation_while_nobody_reads_is_a_gap_and_repeats_nothing(scene: Scene) -> None:
    scene.kube.write(*numbered(0, 5))
    async with listening(scene.source()) as heard:
        await heard.until(lambda: len(heard.lines) == 5)
    scene.kube.write(b"never seen")
    scene.kube.rotate()
    scene.kube.write(*numbered(6, 9))
    async with listening(scene.source(), heard.cursor) as later:
        await later.until(lambda: len(later.lines) == 3 and later.caught_up >= 1)
    assert later.lines == numbered(6, 9)
    (gap,) = later.of(GapFound)
    assert "rotated" in gap.gap.cause
    assert gap.gap.start is not None
    assert gap.gap.end is not None
    assert gap.gap.start < gap.gap.end
    assert (gap.gap.pod, gap.gap.container) == ("kubecost-cost-analyzer-7f-1", "cost-model")


async def test_a_clock_that_steps_back_beyond_the_overlap_is_a_gap_and_heard_again(scene: Scene) -> None:
    """The server drops what is stamped before ``sinceTime`` for the whole stream; only a look can see it."""
    scene.kube.write(b"before", at=NOON + 3600 * SECOND)
    async with listening(scene.source()) as heard:
        await heard.until(lambda: heard.caught_up >= 1)
    async with listening(scene.source(replace(PATIENT, probe_idle=0.05)), heard.cursor) as later:
        await later.until(lambda: later.caught_up >= 1)
        scene.kube.write(b"after the step", at=NOON)
        await later.until(lambda: later.lines == [b"after the step"])
        scene.kube.write(b"and on")
        await later.until(lambda: later.lines[1:] == [b"and on"])
    assert any("clock of the node stepped back" in cause for cause in later.gaps)
