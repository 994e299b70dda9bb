"""Restarts, replacements, crash loops, our own restarts: the old life is read to its end, then the next one begins."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.edges.listening import PATIENT, QUICK, Heard, Scene, listening, numbered
from tests.edges.scripted_kube import Fault, ScriptedKube, serving
from watcher.core.events import Attached, Epoch, EpochChanged, TargetReady
from watcher.sources import LinesRead

FIRST, SECOND = Epoch("uid-1", "containerd://1"), Epoch("uid-1", "containerd://2")


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    kube = ScriptedKube()
    async with serving(kube) as address:
        yield Scene(kube, address, tmp_path)


def by_epoch(heard: Heard, epoch: Epoch) -> list[bytes]:
    return [line.text for event in heard.of(LinesRead) if event.epoch == epoch for line in event.lines]


def order(heard: Heard) -> list[object]:
    """The lives as they were told: attached, changed, lines."""
    told: list[object] = []
    for event in heard.events:
        match event:
            case Attached(epoch, _):
                told.append(("attached", epoch))
            case EpochChanged(epoch, _):
                told.append(("changed", epoch))
            case LinesRead(epoch, lines, _) if lines:
                told.append(("lines", epoch))
            case _:
                continue
    return [step for n, step in enumerate(told) if n == 0 or told[n - 1] != step]


# ---- restarts


async def test_a_restart_gives_the_old_lines_then_the_new_epoch_then_its_lines(scene: Scene) -> None:
    kube = scene.kube
    kube.write(*numbered(0, 10))
    async with listening(scene.source()) as heard:
        await heard.until(lambda: len(heard.lines) == 10)
        kube.write(*numbered(10, 20))
        kube.exit(137, "OOMKilled")
        kube.start()
        kube.write(*numbered(100, 105))
        await heard.until(lambda: len(heard.lines) == 25)
        await heard.until(lambda: TargetReady(SECOND) in heard.events)
        await heard.until(lambda: heard.caught_up >= 1)
    assert by_epoch(heard, FIRST) == numbered(0, 20)
    assert by_epoch(heard, SECOND) == numbered(100, 105)
    assert heard.changes == ["OOMKilled, exit code 137, memory limit 2Gi"]
    assert order(heard)[-3:] == [("changed", SECOND), ("attached", SECOND), ("lines", SECOND)]
    assert heard.gaps == []


@pytest.mark.parametrize("cut", [0, 1, 20, 100, 333])
async def test_a_stream_that_broke_before_the_end_is_finished_from_previous(scene: Scene, cut: int) -> None:
    kube = scene.kube
    kube.write(*numbered(0, 10))
    kube.faults.extend([Fault("abort", after=cut), Fault("status", status=500, body="away"), Fault("stall")])
    async with listening(scene.source(replace(QUICK, sock_read=0.2))) as heard:
        await heard.until(lambda: scene.follows() >= 3)
        kube.write(*numbered(10, 20))
        kube.exit(1)
        kube.start()
        kube.write(*numbered(100, 105))
        await heard.until(lambda: len(heard.lines) == 25)
    assert by_epoch(heard, FIRST) == numbered(0, 20)
    assert by_epoch(heard, SECOND) == numbered(100, 105)
    assert heard.gaps == []
    assert any("previous=true" in request for request in kube.requests)


async def test_two_restarts_that_nobody_saw_are_a_gap(scene: Scene) -> None:
    kube = scene.kube
    kube.write(*numbered(0, 5))
    async with listening(scene.source()) as heard:
        await heard.until(lambda: len(heard.lines) == 5)
    for _ in range(2):
        kube.exit(1)
        kube.start()
    kube.write(b"third life")
    async with listening(scene.source(), heard.cursor) as later:
        await later.until(lambda: later.lines == [b"third life"])
    assert len(later.gaps) == 1
    assert "restarted more than once" in later.gaps[0]
    assert later.of(EpochChanged)[0].epoch == Epoch("uid-1", "containerd://3")


@pytest.mark.parametrize("how", ["400", "unable to retrieve container logs for containerd://1"])
async def test_a_previous_log_that_is_gone_is_a_gap_and_no_line(scene: Scene, how: str) -> None:
    kube = scene.kube
    kube.write(*numbered(0, 5))
    async with listening(scene.source()) as heard:
        await heard.until(lambda: len(heard.lines) == 5)
    kube.exit(1)
    kube.start()
    kube.previous_gone = how
    kube.write(b"new")
    async with listening(scene.source(), heard.cursor) as later:
        await later.until(lambda: later.lines == [b"new"])
    assert len(later.gaps) == 1
    assert "is gone" in later.gaps[0]


async def test_a_crash_loop_is_read_once_and_waited_for(scene: Scene) -> None:
    """The API serves the dead container's whole log again and again; nobody asks for it."""
    kube = scene.kube
    kube.write(*numbered(0, 10))
    async with listening(scene.source()) as heard:
        await heard.until(lambda: len(heard.lines) == 10)
        kube.exit(2, waiting="CrashLoopBackOff")
        await heard.until(lambda: any("does not run" in cause for cause in heard.losses))
        logs = sum("/log?" in request for request in kube.requests)
        await asyncio.sleep(0.3)
        assert sum("/log?" in request for request in kube.requests) == logs
        assert len(kube.requests) < 100
        kube.start()
        kube.write(*numbered(10, 12))
        await heard.until(lambda: len(heard.lines) == 12)
    assert heard.lines == numbered(0, 12)
    assert heard.changes == ["Error, exit code 2"]
    assert heard.gaps == []


async def test_attached_to_a_dead_container_its_log_is_read_and_no_more(scene: Scene) -> None:
    kube = scene.kube
    kube.write(*numbered(0, 3))
    kube.exit(1, waiting="CrashLoopBackOff")
    async with listening(scene.source()) as heard:
        await heard.until(lambda: any("does not run" in cause for cause in heard.losses))
    assert heard.lines == numbered(0, 3)
    assert order(heard) == [("attached", FIRST), ("lines", FIRST)]
    assert heard.of(TargetReady) == []


async def test_lines_written_while_it_dies_are_read_until_two_readings_agree(scene: Scene) -> None:
    kube = scene.kube
    kube.write(b"a")
    async with listening(scene.source(replace(QUICK, drain=0.2))) as heard:
        await heard.until(lambda: heard.lines == [b"a"])
        kube.exit(1)
        await asyncio.sleep(0.15)
        kube.write(b"flushed late")
        await heard.until(lambda: any("does not run" in cause for cause in heard.losses))
    assert heard.lines == [b"a", b"flushed late"]


async def test_a_last_line_without_newline_counts_when_the_container_has_ended(scene: Scene) -> None:
    kube = scene.kube
    kube.write(b"whole")
    async with listening(scene.source()) as heard:
        await heard.until(lambda: heard.lines == [b"whole"])
        kube.write(b"no newline", end=b"")
        await asyncio.sleep(0.1)
        assert heard.lines == [b"whole"]
        kube.exit(0, "Completed")
        await heard.until(lambda: heard.lines == [b"whole", b"no newline"])
        kube.start()
        kube.write(b"next")
        await heard.until(lambda: heard.lines[2:] == [b"next"])


async def test_a_status_that_lags_behind_the_kubelet_counts_no_line_twice(scene: Scene) -> None:
    """The API still shows the first container while the kubelet serves the second one's log."""
    kube = scene.kube
    async with listening(scene.source(replace(QUICK, stall=5.0))) as heard:
        await heard.until(lambda: heard.caught_up >= 1)
        kube.status_lag = kube.manifest()
        kube.exit(1)
        kube.start()
        kube.write(*numbered(0, 5))
        await heard.until(lambda: len(heard.lines) == 5)
        kube.status_lag = None
        kube.write(b"line 5")
        await heard.until(lambda: bool(heard.changes), 12)
        await heard.until(lambda: len(heard.lines) >= 6)
        kube.write(b"line 6")
        await heard.until(lambda: len(heard.lines) >= 7)
    assert heard.lines == numbered(0, 7)


async def test_the_next_log_is_not_taken_for_the_rest_of_the_last_one(scene: Scene) -> None:
    """The stream broke, the container restarted, the status lags: nothing is filed under the old life."""
    kube = scene.kube
    kube.write(*numbered(0, 5))
    kube.faults.append(Fault("clean", after=10**6))
    async with listening(scene.source(replace(QUICK, lag=0.3))) as heard:
        await heard.until(lambda: len(heard.lines) == 5)
        kube.status_lag = kube.manifest()
        kube.exit(1)
        kube.start()
        kube.write(*numbered(100, 103))
        await asyncio.sleep(0.1)
        kube.status_lag = None
        await heard.until(lambda: len(heard.lines) == 8)
    assert by_epoch(heard, FIRST) == numbered(0, 5)
    assert by_epoch(heard, SECOND) == numbered(100, 103)
    assert heard.gaps == []


# ---- pods


async def test_a_pod_that_goes_while_its_previous_log_is_read_takes_no_line_with_it_untold(scene: Scene) -> None:
    """What is served as previous is another life's by then, and nobody can be asked whose: the end is a gap."""
    kube = scene.kube
    kube.write(*numbered(0, 10))

    def go(query: str) -> None:
        if "previous=true" in query and kube.pod == 1:
            kube.exit(1)
            kube.start()
            asyncio.get_running_loop().call_soon(kube.replace)

    async with listening(scene.source(PATIENT)) as heard:
        await heard.until(lambda: len(heard.lines) == 10)
    kube.write(*numbered(10, 20))
    kube.exit(1)
    kube.start()
    kube.write(*numbered(100, 105))
    kube.before_log = go
    async with listening(scene.source(PATIENT), heard.cursor) as later:
        await later.until(lambda: kube.pod == 2)
        kube.write(b"of the next pod")
        await later.until(lambda: later.lines == [b"of the next pod"])
    assert [cause.partition(":")[0] for cause in later.gaps] == ["pod kubecost-cost-analyzer-7f-1 is gone"]
    assert len(later.changes) == 1


async def test_a_replaced_pod_is_left_with_a_gap_and_followed_from_its_beginning(scene: Scene) -> None:
    kube = scene.kube
    kube.write(*numbered(0, 5))
    async with listening(scene.source()) as heard:
        await heard.until(lambda: len(heard.lines) == 5)
        old = kube.life
        kube.replace()
        old.exit_code = 0
        kube.write(*numbered(10, 15))
        await heard.until(lambda: len(heard.lines) == 10)
    assert heard.changes == ["pod kubecost-cost-analyzer-7f-1 was replaced by kubecost-cost-analyzer-7f-2"]
    assert by_epoch(heard, Epoch("uid-2", "containerd://2")) == numbered(10, 15)
    assert len(heard.gaps) == 1
    assert "7f-1 is gone" in heard.gaps[0]


async def test_a_pod_that_ends_in_sight_is_read_to_its_end_without_a_gap(scene: Scene) -> None:
    kube = scene.kube
    kube.write(*numbered(0, 5))
    async with listening(scene.source()) as heard:
        await heard.until(lambda: len(heard.lines) == 5)
        kube.deleting = True
        kube.write(b"got TERM")
        kube.exit(143)
        await heard.until(lambda: any("does not run" in cause for cause in heard.losses))
        kube.replace()
        kube.write(b"new pod")
        await heard.until(lambda: heard.lines[-1] == b"new pod")
    assert heard.lines == [*numbered(0, 5), b"got TERM", b"new pod"]
    assert heard.changes[0].endswith("replaced by kubecost-cost-analyzer-7f-2 (Error, exit code 143)")
    assert heard.gaps == []


async def test_a_pod_that_goes_away_deaf_is_given_up_for_one_that_runs(scene: Scene) -> None:
    """A lost node: its pod stays Terminating for ever, and nobody answers for its log."""
    kube = scene.kube
    kube.write(*numbered(0, 5))
    async with listening(scene.source()) as heard:
        await heard.until(lambda: len(heard.lines) == 5)
        kube.deleting = True
        gone = kube.manifest()
        kube.replace()
        kube.write(b"new pod")
        kube.lost_pods = {gone["metadata"]["name"]: gone}
        await heard.until(lambda: heard.lines[-1] == b"new pod")
    assert len(heard.gaps) == 1
    assert "going away and its log cannot be read" in heard.gaps[0]


async def test_scaled_to_nothing_and_back(scene: Scene) -> None:
    kube = scene.kube
    kube.write(b"one")
    async with listening(scene.source()) as heard:
        await heard.until(lambda: heard.lines == [b"one"])
        pod, kube.pod = kube.pod, 0
        kube.life.exit_code = 0
        await heard.until(lambda: "the deployment has no pod" in heard.losses)
        kube.pod = pod
        kube.replace()
        kube.write(b"two")
        await heard.until(lambda: heard.lines == [b"one", b"two"])


async def test_a_container_that_has_not_started_is_waited_for_without_a_storm(scene: Scene) -> None:
    kube = scene.kube
    starting = kube.manifest()
    starting["status"]["containerStatuses"][1] |= {
        "state": {"waiting": {"reason": "ContainerCreating"}},
        "lastState": {},
    }
    kube.status_lag = kube.listed = starting
    async with listening(scene.source()) as heard:
        await heard.until(lambda: any("ContainerCreating" in cause for cause in heard.losses))
        assert not any("/log?" in request for request in kube.requests)
        kube.write(b"x")
        kube.status_lag = kube.listed = None
        await heard.until(lambda: heard.lines == [b"x"])


# ---- our own restarts


async def test_a_fresh_process_reads_on_from_the_saved_cursor(scene: Scene) -> None:
    kube = scene.kube
    lines: list[bytes] = []
    cursor = None
    for start in range(0, 40, 4):
        kube.write(*numbered(start, start + 4), step=0 if start % 8 else 1_000_000)
        async with listening(scene.source(), cursor) as heard:
            await heard.until(lambda: len(heard.lines) >= 4)
        lines += heard.lines
        cursor = heard.cursor
        assert heard.gaps == []
        assert heard.changes == []
    assert lines == numbered(0, 40)


async def test_any_saved_cursor_leads_to_exactly_the_rest(scene: Scene) -> None:
    """Cursors are behind their lines: from each of them on, the rest comes once."""
    kube = scene.kube
    kube.faults.extend(Fault("clean", after=n) for n in range(40, 900, 97))
    kube.write(*numbered(0, 30), step=250_000_000)
    cursors: list[tuple[str, int]] = []
    async with listening(scene.source()) as heard:
        await heard.until(lambda: len(heard.lines) == 30)
    count = 0
    for event in heard.of(LinesRead):
        count += len(event.lines)
        cursors.append((event.cursor.dump(), count))
    assert len(cursors) > 3
    for cursor, known in cursors:
        async with listening(scene.source(), cursor) as later:
            await later.until(lambda: later.caught_up >= 1)
        assert later.lines == numbered(known, 30)


async def test_the_cursor_names_the_new_life_before_its_first_line(scene: Scene) -> None:
    kube = scene.kube
    kube.write(b"a")
    async with listening(scene.source()) as heard:
        await heard.until(lambda: heard.lines == [b"a"])
        kube.exit(1)
        kube.start()
        await heard.until(
            lambda: heard.caught_up >= 1 and bool(heard.changes) and "containerd://2" in (heard.cursor or "")
        )
    async with listening(scene.source(), heard.cursor) as later:
        await later.until(lambda: later.caught_up >= 1)
        kube.write(b"b")
        await later.until(lambda: later.lines == [b"b"])
    assert (later.changes, later.gaps) == ([], [])


@pytest.mark.parametrize(
    "cursor", ["", "nonsense", "[]", "{}", json.dumps({"source": "file"}), '{"source": "kubernetes"}']
)
async def test_a_cursor_that_cannot_be_read_is_a_gap(scene: Scene, cursor: str) -> None:
    scene.kube.write(b"a")
    async with listening(scene.source(), cursor) as heard:
        await heard.until(lambda: heard.lines == [b"a"])
    assert len(heard.gaps) == 1
    assert "saved place in the log" in heard.gaps[0]


async def test_cancelled_it_leaves_no_connection_open(scene: Scene) -> None:
    scene.kube.write(b"a")
    for _ in range(3):
        async with listening(scene.source(PATIENT)) as heard:
            await heard.until(lambda: heard.caught_up >= 1)
            assert heard.losses == []
            assert scene.kube.open_follows == 1
        async with asyncio.timeout(2):
            while scene.kube.open_follows:
                scene.kube.write(b"the server notices at the next write")
                await asyncio.sleep(0.02)
