"""Rows of docs/failure-modes.md that no other file shows: what logs, nodes and APIs do to those who follow for days.

Over real sockets with a scripted server, or in virtual time where it takes long or needs the runtime's own records.
"""

from __future__ import annotations

import ast
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.edges.listening import PATIENT, QUICK, Heard, Scene, clock, listening, numbered
from tests.edges.scripted_kube import NOON, Fault, ScriptedKube, serving
from tests.virtual_cluster import VirtualCluster
from watcher.cluster import Rhythm
from watcher.core.events import CaughtUp, Epoch
from watcher.core.lines import LONGEST_LINE, SECOND
from watcher.simulator.faults import Cut
from watcher.simulator.records import PIECE, Record
from watcher.simulator.weather import Sky, Weather
from watcher.sources import LinesRead

CLUSTER = Path(__file__).parents[2] / "watcher" / "cluster"


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    kube = ScriptedKube()
    async with serving(kube) as address:
        yield Scene(kube, address, tmp_path)


@asynccontextmanager
async def living(world: VirtualCluster) -> AsyncIterator[None]:
    """The daemon runs inside the block."""
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(world.daemon().run())
        try:
            yield
        finally:
            running.cancel()


def by_epoch(heard: Heard) -> dict[Epoch | None, list[bytes]]:
    found: dict[Epoch | None, list[bytes]] = {}
    for event in heard.of(LinesRead):
        found.setdefault(event.epoch, []).extend(line.text for line in event.lines)
    return {epoch: lines for epoch, lines in found.items() if lines}


def log_queries(scene: Scene) -> list[dict[str, str]]:
    """The parameters of every request for a log, in order."""
    return [dict(parse_qsl(urlsplit(path).query)) for path in scene.kube.requests if "/log?" in path]


def every_log_is(scene: Scene, text: bytes) -> Any:
    """From now on the kubelet has this text in place of any log; gives what ends that."""
    served = scene.kube._pour

    async def pour(request: Any, response: Any, *rest: Any) -> None:
        await response.write(text)

    def end() -> None:
        scene.kube._pour = served  # type: ignore[method-assign]

    scene.kube._pour = pour  # type: ignore[method-assign,assignment]
    return end


# ---- A: streams that stop, or seem to


@pytest.mark.looptime(start=0)
async def test_a_thousand_planned_reconnects_lose_nothing_and_repeat_nothing() -> None:
    """The way back is walked all day: every ten seconds here, through the whole daemon."""
    world = VirtualCluster(rhythm=replace(Rhythm(), lifetime=10.0))
    async with living(world):
        await asyncio.sleep(1)
        wanted: list[bytes] = []
        while world.api.follows <= 1000:
            wanted.append(b"line %d" % len(wanted))
            world.life.log.write(wanted[-1])
            await asyncio.sleep(3.1)
        await asyncio.sleep(60)
    log = world.shell.state.log
    assert world.lines == wanted
    assert log.lines == len(wanted)
    assert (log.reconnects, log.gaps, log.connected) == (0, (), True)


async def test_a_kubelet_that_restarts_ends_the_stream_in_good_order_and_is_waited_for(scene: Scene) -> None:
    """A clean end, refused connections, half a second in which it does not know the pod; the container ran on."""
    kube = scene.kube
    kube.write(*numbered(0, 10))
    kube.faults.append(Fault("clean", after=len(kube.life.log)))
    refused = 'Get "https://10.0.0.1:10250/containerLogs": dial tcp 10.0.0.1:10250: connect: connection refused'
    kube.faults.extend(Fault("status", status=500, body=refused) for _ in range(20))
    unknown = "the server could not find the requested resource ( pods/log p)"
    kube.faults.extend(Fault("status", status=404, body=unknown) for _ in range(3))
    async with listening(scene.source()) as heard:
        await heard.until(lambda: len(kube.faults) < 15)
        kube.write(*numbered(10, 20))
        await heard.until(lambda: len(heard.lines) == 20)
    assert heard.lines == numbered(0, 20)
    assert (heard.gaps, heard.changes) == ([], [])
    assert [any(told in cause for cause in heard.losses) for told in (refused, unknown)] == [True, True]


async def test_a_tunnel_to_the_node_that_stalls_and_fails_is_waited_for(scene: Scene) -> None:
    """Between API server and node: streams that go silent, and errors in the words of the tunnel."""
    kube = scene.kube
    kube.write(*numbered(0, 30))
    for n in range(5):
        kube.faults.append(Fault("stall", after=n * 200))
        kube.faults.append(Fault("status", status=500, body="No agent available"))
    async with listening(scene.source(replace(QUICK, sock_read=0.05))) as heard:
        await heard.until(lambda: not kube.faults and len(heard.lines) == 30)
    assert heard.lines == numbered(0, 30)
    assert heard.gaps == []


async def test_a_line_that_a_look_sees_before_the_stream_brings_it_is_waited_for(scene: Scene) -> None:
    """No false alarm: the line is late on the stream, and the stream is well."""
    kube = scene.kube
    kube.write(b"one")
    served = kube._pour
    delay = 0.0

    async def pour(request: Any, response: Any, *rest: Any) -> None:
        if "follow=true" not in request.query_string:
            await served(request, response, *rest)
            return
        sent = 0
        while True:
            if len(log := kube.life.log) > sent:
                await asyncio.sleep(delay)
                await response.write(log[sent:])
                sent = len(log)
            await asyncio.sleep(0.003)

    kube._pour = pour  # type: ignore[method-assign,assignment]
    async with listening(scene.source(replace(PATIENT, stall=4.0))) as heard:
        await heard.until(lambda: heard.caught_up == 1)
        delay = 1.0
        kube.write(b"two")
        await scene.last.confirm()
        await asyncio.sleep(0.3)
        assert any("tailLines" in query for query in log_queries(scene)[-1:])
        assert heard.lines == [b"one"]
        await heard.until(lambda: heard.caught_up == 2)
        at = [event for event in heard.events if isinstance(event, (LinesRead, CaughtUp))]
        assert isinstance(at[-1], CaughtUp)
    assert heard.lines == [b"one", b"two"]
    assert (scene.follows(), heard.losses) == (1, [])


async def test_where_the_node_cannot_follow_the_log_is_read_again_and_again(scene: Scene) -> None:
    """No inotify instance is left: reading works, following does not; after a while following is tried again."""
    kube = scene.kube
    kube.every_follow = Fault("clean", after=0, body="failed to create fsnotify watcher: too many open files")
    async with listening(scene.source(replace(QUICK, polling=1.0))) as heard:
        await heard.until(lambda: any("fsnotify" in cause for cause in heard.losses))
        await heard.until(lambda: heard.caught_up >= 1)  # an empty log is heard as well
        for n in range(6):
            kube.write(b"line %d" % n)
            await heard.until(lambda: len(heard.lines) == n + 1)  # noqa: B023
        assert scene.follows() <= 2
        assert sum(q["follow"] == "false" and "tailLines" not in q for q in log_queries(scene)) >= 6
        kube.every_follow = None
        await heard.until(lambda: kube.open_follows == 1)
        kube.write(b"followed")
        await heard.until(lambda: heard.lines == [*numbered(0, 6), b"followed"])
    assert heard.gaps == []


async def test_a_log_that_is_emptied_is_a_gap_where_the_node_cannot_follow_too(scene: Scene) -> None:
    """Reading again and again, an emptied log is seen twice: its end is told as a gap, once, and then it is heard."""
    kube = scene.kube
    kube.every_follow = Fault("clean", after=0, body="failed to create fsnotify watcher: too many open files")
    async with listening(scene.source(QUICK)) as heard:
        await heard.until(lambda: any("fsnotify" in cause for cause in heard.losses))
        kube.write(b"one")
        await heard.until(lambda: heard.lines == [b"one"] and heard.caught_up >= 1)
        kube.write(b"never seen")
        kube.rotate()
        told = heard.caught_up
        await heard.until(lambda: heard.caught_up > told + 3)
        (gap,) = heard.gaps
        assert "rotated" in gap
        kube.write(b"two")
        await heard.until(lambda: heard.lines == [b"one", b"two"])


@pytest.mark.parametrize("seconds", [10, 3600])
async def test_a_line_that_is_stamped_back_is_read_where_the_node_cannot_follow_too(scene: Scene, seconds: int) -> None:
    """Many readings bring nothing new; the overlap of the next is as large as ever. What lies before it is told."""
    kube = scene.kube
    kube.every_follow = Fault("clean", after=0, body="failed to create fsnotify watcher: too many open files")
    async with listening(scene.source(QUICK)) as heard:
        await heard.until(lambda: any("fsnotify" in cause for cause in heard.losses))
        kube.write(b"one")
        await heard.until(lambda: heard.caught_up >= 4 and heard.lines == [b"one"])
        kube.write(b"back", at=kube.clock - seconds * SECOND)
        told = heard.caught_up
        await heard.until(lambda: heard.lines == [b"one", b"back"] and heard.caught_up > told + 1)
    assert [cause.partition(":")[0] for cause in heard.gaps] == ["the clock of the node stepped back"][: seconds // 60]


# ---- B: restarts, identity, lifecycle


@pytest.mark.looptime(start=0)
@pytest.mark.parametrize("scheduled", [True, False])
async def test_a_container_that_takes_ten_minutes_to_start_costs_few_requests_and_no_line(scheduled: bool) -> None:
    world = VirtualCluster()
    world.cluster.scale(0)
    pod = world.cluster.add_pod(scheduled=scheduled)
    async with living(world):
        await asyncio.sleep(600)
        assert world.asked < 2 * 600 / world.rhythm.poll + 5
        assert "has not started" in str(world.shell.state.log.blind_cause)
        pod.scheduled = True
        life = world.cluster.start(pod)
        life.log.write(b"the first line")
        await asyncio.sleep(10)
        assert world.lines == [b"the first line"]
    assert world.shell.state.log.gaps == ()


@pytest.mark.looptime(start=0)
async def test_a_pod_that_goes_away_is_asked_again_at_once_however_long_it_failed_before() -> None:
    """Its last lines can be had for seconds only: no pause has grown to half a minute by then."""
    world = VirtualCluster(weather=Weather(calm_at=10**6, skies=((100.0, 700.0, Sky.BROKEN),), cut=1.0, cut_after=1.0))
    async with living(world):
        world.life.log.write(b"one")
        await asyncio.sleep(90)
        world.pod.deleted_at = world.cluster.now()
        await asyncio.sleep(700)
        asked = world.api.follows
        await asyncio.sleep(30)
        assert world.api.follows - asked > 15


class StatefulKube(ScriptedKube):
    """Its pods have one and the same name, as those of a StatefulSet."""

    @property
    def pod_name(self) -> str:
        return "kubecost-0"


@pytest.mark.parametrize("moment", ["between two streams", "between the look at the pod and the stream"])
async def test_a_new_pod_of_the_same_name_is_another_life(tmp_path: Path, moment: str) -> None:
    """The request names a pod and no UID: whose log it is is looked up before and after.

    The second time the first pod has logged nothing, so that no line that is known gives the new one away.
    """
    kube = StatefulKube()
    async with serving(kube) as address:
        scene = Scene(kube, address, tmp_path)
        if moment == "between two streams":
            kube.write(*numbered(0, 5))
        async with listening(scene.source(PATIENT)) as heard:
            await heard.until(lambda: heard.caught_up >= 1)

        def replace_pod(query: str) -> None:
            kube.before_log = lambda _: None
            kube.replace()
            kube.write(*numbered(100, 105))

        if moment == "between two streams":
            replace_pod("")
        else:
            kube.before_log = replace_pod
        async with listening(scene.source(PATIENT), heard.cursor) as later:
            await later.until(lambda: len(later.lines) == 5)
    assert by_epoch(later) == {Epoch("uid-2", "containerd://2"): numbered(100, 105)}
    assert [cause.partition(":")[0] for cause in later.gaps] == ["pod kubecost-0 is gone"]
    assert len(later.changes) == 1


@pytest.mark.parametrize("status", [410, 429, 500, 502])
async def test_a_new_pod_is_found_when_lists_were_refused_for_a_while(scene: Scene, status: int) -> None:
    """Pods are looked up again and again: there is no watch that could go stale."""
    kube = scene.kube
    kube.write(b"one")
    async with listening(scene.source()) as heard:
        await heard.until(lambda: heard.caught_up >= 1)
        kube.refused_kinds, kube.refused_with = {"pods"}, status
        kube.life.exit_code = 0
        kube.replace()
        kube.write(b"two")
        await heard.until(lambda: any("not for you" in cause for cause in heard.losses))
        assert heard.lines == [b"one"]
        kube.refused_kinds = set()
        await heard.until(lambda: heard.lines == [b"one", b"two"])
    assert not any("watch=" in request for request in kube.requests)


# ---- C: reading on


async def test_a_log_is_asked_for_with_these_parameters_and_no_others(scene: Scene) -> None:
    """No ``sinceSeconds`` (two clocks), no ``stream`` (not there everywhere), no ``limitBytes``, never a watch."""
    kube = scene.kube
    kube.write(*numbered(0, 10))
    kube.faults.append(Fault("clean", after=100))
    async with listening(scene.source()) as heard:
        await heard.until(lambda: heard.caught_up >= 1)
        kube.write(*numbered(10, 20))
        kube.exit(1, waiting="CrashLoopBackOff")
        await heard.until(lambda: len(heard.lines) == 20)
        kube.start()
        kube.write(b"next")
        await heard.until(lambda: len(heard.lines) == 21)
        kube.faults.append(Fault("abort"))
        kube.write(b"last words")
        kube.exit(1)
        kube.start()
        await heard.until(lambda: "last words" in str(heard.lines) and kube.open_follows == 1)
    queries = log_queries(scene)
    names = {name for query in queries for name in query}
    assert names <= {"container", "timestamps", "follow", "sinceTime", "tailLines", "previous"}
    assert {"sinceTime", "tailLines"} <= names
    assert all((q["container"], q["timestamps"]) == ("cost-model", "true") for q in queries)
    assert not any("watch" in request for request in kube.requests)


@pytest.mark.parametrize("ahead", [-86_400, -3600, 3600, 86_400])
async def test_the_clock_of_the_node_may_differ_from_ours_by_any_amount(scene: Scene, ahead: int) -> None:
    """All stamps that we send are stamps that we were given."""
    kube = scene.kube
    kube.clock = int(clock().timestamp()) * SECOND + ahead * SECOND
    kube.faults.extend(Fault("clean", after=n) for n in (50, 300, 700))
    kube.write(*numbered(0, 20))
    async with listening(scene.source()) as heard:
        await heard.until(lambda: heard.caught_up >= 1)
        kube.write(*numbered(20, 30))
        await heard.until(lambda: len(heard.lines) == 30)
    assert heard.lines == numbered(0, 30)
    assert heard.gaps == []


async def test_the_place_to_read_on_from_moves_with_lines_and_not_with_time(scene: Scene) -> None:
    """After each silence the log is asked for from the same second on."""
    scene.kube.write(b"one", at=NOON + 100 * SECOND)
    async with listening(scene.source(replace(PATIENT, sock_read=0.05))) as heard:
        await heard.until(lambda: scene.follows() >= 8)
        scene.kube.write(b"two")
        await heard.until(lambda: heard.lines == [b"one", b"two"])
    asked = [query["sinceTime"] for query in log_queries(scene) if "sinceTime" in query]
    assert len(asked) >= 7
    assert set(asked) == {"2023-11-14T22:14:30Z"}


@pytest.mark.looptime(start=0)
async def test_after_a_rotation_was_made_sure_of_the_stream_is_opened_anew() -> None:
    """That takes seconds in which nothing is read: a kubelet that could not write leaves out whole files meanwhile."""
    world = VirtualCluster(weather=Weather(calm_at=600.0, skies=((20.0, 40.0, Sky.DOWN),)))
    async with living(world):
        world.life.log.write(b"before")
        await asyncio.sleep(21)
        world.api.break_streams()
        world.life.log.rotate()
        world.life.log.write(b"behind the rotation")
        await asyncio.sleep(60)
        assert world.rhythm.lag > world.rhythm.lapse
        assert world.api.follows == 3
        (gap,) = world.shell.state.log.gaps
    assert "rotated" in gap.cause
    assert world.lines == [b"before", b"behind the rotation"]


@pytest.mark.looptime(start=0)
async def test_the_end_of_a_long_line_whose_beginning_lies_before_the_overlap_is_no_line() -> None:
    """The kubelet leaves out the first piece, which is too old, and serves the second without a stamp."""
    world = VirtualCluster(rhythm=replace(Rhythm(), lifetime=100.0))
    now = world.cluster.clock
    begin = now() + 5 * SECOND
    async with living(world):
        await asyncio.sleep(6)
        world.life.log.write_record(Record(begin, b"a" * PIECE, full=False))
        world.life.log.write_record(Record(begin + 2 * SECOND, b"b", full=True))
        world.life.log.write(b"later", stamp=begin + 31 * SECOND)
        await asyncio.sleep(300)
        world.life.log.write(b"and on")
        await asyncio.sleep(5)
        assert world.api.follows >= 3
    assert world.lines == [b"a" * PIECE + b"b", b"later", b"and on"]
    assert world.shell.state.log.gaps == ()


# ---- D: content


@pytest.mark.looptime(start=0)
async def test_lines_that_the_runtime_splits_into_pieces_are_one_line_each() -> None:
    """Of one piece to three hundred, cut anywhere on the way; of more than a mebibyte the beginning is kept."""
    world = VirtualCluster(weather=Weather(calm_at=600.0, cut=0.8, cut_after=400_000.0))
    wanted = [b"%d " % count + b"x" * (count * PIECE - 3) for count in (1, 2, 3, 7, 40, 63, 64, 65, 300)]
    async with living(world):
        await asyncio.sleep(5)
        for line in wanted:
            world.life.log.write(line)
            world.life.log.write(b"behind")
            await asyncio.sleep(45)
        await asyncio.sleep(300)
    room = LONGEST_LINE - len("2026-03-01T00:00:00.000000000Z ")
    assert world.lines == [text for line in wanted for text in (line[:room], b"behind")]
    assert world.shell.state.log.gaps == ()


async def test_every_byte_goes_through_and_only_newlines_end_lines(scene: Scene) -> None:
    """Broken UTF-8, NUL, CR, escape sequences; across a reconnect, too."""
    wanted = [bytes([n]) + b"x" + bytes([n]) for n in range(256) if n != ord("\n")]
    scene.kube.faults.append(Fault("abort", after=4000))
    scene.kube.write(*wanted)
    async with listening(scene.source()) as heard:
        await heard.until(lambda: heard.caught_up >= 1)
    assert heard.lines == wanted
    assert heard.gaps == []


async def test_json_in_the_log_is_a_line_and_nothing_else(scene: Scene) -> None:
    """The library's watch would make an exception of some of these."""
    wanted = [
        b"42",
        b"null",
        b"{",
        b'{"code":500,"message":"m","reason":"r"}',
        b'{"type":"ERROR","object":{"code":410}}',
    ]
    scene.kube.write(*wanted)
    async with listening(scene.source()) as heard:
        await heard.until(lambda: heard.caught_up >= 1)
    assert (heard.lines, heard.losses) == (wanted, [])


def test_nothing_here_uses_the_librarys_watch_or_its_log_method() -> None:
    found: set[str] = set()
    for path in CLUSTER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            match node:
                case ast.Import(names):
                    found.update(name.name for name in names)
                case ast.ImportFrom(module=module, names=names):
                    found.update(f"{module}.{name.name}" for name in names)
                case ast.Attribute(attr=attr):
                    found.add(attr)
                case _:
                    pass
    assert not [name for name in found if "watch" in name.lower().split(".") or name.endswith(".Watch")]
    assert not [name for name in found if name.startswith("read_namespaced") or name == "CoreV1Api"]
    assert "kubernetes.aio.client.api_client.ApiClient" in found


async def test_a_stack_trace_that_a_reconnect_cuts_is_the_same_lines(scene: Scene) -> None:
    """Lines are never joined, so that there is nothing that a connection could take along."""
    trace = [b"panic: runtime error", b"", b"goroutine 1 [running]:", b"\tmain.main()", b"\t\t/app/main.go:12 +0x1d"]
    scene.kube.write(*trace, step=0)
    size = len(scene.kube.life.log)
    ends = [n + 1 for n in range(size) if scene.kube.life.log[n : n + 1] == b"\n"]
    scene.kube.faults.extend(Fault("clean", after=n) for n in ends)
    async with listening(scene.source(replace(QUICK, backoff_first=0.0))) as heard:
        await heard.until(lambda: not scene.kube.faults and heard.caught_up >= 1)
    assert heard.lines == trace
    assert heard.gaps == []


@pytest.mark.looptime(start=0)
async def test_stdout_and_stderr_that_the_kubelet_glues_together_are_the_lines_that_it_serves() -> None:
    """Both texts are in what is delivered, once, and a reconnect does not change that."""
    world = VirtualCluster(rhythm=replace(Rhythm(), lifetime=20.0))
    async with living(world):
        await asyncio.sleep(5)
        for text, full, stream in ((b"out-", False, "stdout"), (b"err", True, "stderr"), (b"rest", True, "stdout")):
            world.life.log.write_record(Record(world.cluster.clock(), text, full, stream))
        world.life.log.write(b"next")
        await asyncio.sleep(120)
        assert world.api.follows > 3
    assert world.lines == [b"out-err", b"rest", b"next"]
    assert world.shell.state.log.gaps == ()


@pytest.mark.looptime(start=0)
async def test_a_log_that_the_kubelet_cannot_read_is_asked_for_less_and_less_until_it_can() -> None:
    """Its first record is damaged: every request is answered with an error, until the next rotation."""
    world = VirtualCluster(weather=Weather(calm_at=3600.0))
    broken = 'failed to get parse function: unsupported log format: "\\n"'
    world.network.next_cut = lambda: None if world.network.calm else Cut(0, "clean", broken)  # type: ignore[method-assign]
    async with living(world):
        world.life.log.write(b"in the damaged file")
        await asyncio.sleep(1800)
        asked = world.api.follows
        await asyncio.sleep(1200)
        assert world.api.follows - asked <= 1200 / 15 + 1
        assert broken in str(world.shell.state.log.blind_cause)
        assert world.lines == []
        assert world.healthy() == (True, "")
        await asyncio.sleep(600)
        world.life.log.rotate()
        world.life.log.write(b"in the next one")
        await asyncio.sleep(60)
    assert world.lines[-1] == b"in the next one"


# ---- E: limits


async def test_a_list_that_is_refused_for_now_is_asked_for_again_when_the_server_said(scene: Scene) -> None:
    kube = scene.kube
    kube.refused_kinds, kube.refused_with, kube.refused_headers = {"pods"}, 429, {"Retry-After": "1"}
    kube.write(b"x")
    loop = asyncio.get_running_loop()
    async with listening(scene.source()) as heard:
        await heard.until(lambda: any("429" in cause for cause in heard.losses))
        begin, lists = loop.time(), len(kube.requests)
        kube.refused_kinds = set()
        await heard.until(lambda: heard.lines == [b"x"])
        assert loop.time() - begin > 0.9
        assert len(kube.requests) > lists
