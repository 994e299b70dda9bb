"""Connections that die without a word, servers that never answer, and a process that was stopped for a while."""

from __future__ import annotations

import asyncio
import ctypes
import socket
import struct
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp.helpers import TimerNoop

from tests.edges.listening import QUICK, Scene, listening, numbered
from tests.edges.scripted_kube import Fault, ScriptedKube, serving
from watcher.cluster import Rhythm
from watcher.cluster.api import Silence
from watcher.cluster.transport import ClusterApi, _HttpLog
from watcher.core.events import Attached

# Nothing watches: no read timeout, no canary, no look at the pod, no planned reconnect, no question of the kernel.
UNWATCHED = replace(
    QUICK, sock_read=600.0, probe_idle=600.0, poll=600.0, lifetime=6000.0, alive_idle=600, unacknowledged=600.0
)
LINUX = sys.platform == "linux"
SO_ATTACH_FILTER = 26  # only Linux has it


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    kube = ScriptedKube()
    async with serving(kube) as address:
        yield Scene(kube, address, tmp_path)


def unplug(end: socket.socket) -> None:
    """From now on this end of a connection drops every packet that it gets, and so answers none (a BPF ``ret 0``).

    Elsewhere than on Linux its kernel goes on to answer; its program says nothing any more all the same.
    """
    if not LINUX:
        return
    drop = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))
    end.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(drop)))


def unplug_after_first_stream(scene: Scene) -> None:
    """The first stream is open, and then nobody is there any more: no byte, no end, no answer to the kernel."""
    served = scene.kube._pour

    async def pour(request: Any, response: Any, *rest: Any) -> None:
        if "follow=true" in request.path_qs and request.transport is not None:
            scene.kube._pour = served  # type: ignore[method-assign]
            unplug(request.transport.get_extra_info("socket"))
        await served(request, response, *rest)

    scene.kube._pour = pour  # type: ignore[method-assign,assignment]


async def test_the_kernels_question_alone_finds_a_flow_that_was_dropped_without_a_word(scene: Scene) -> None:
    """A load balancer forgets the connection. Keepalive and user timeout are the only watchdog here.

    What is promised where packets cannot be dropped, and the kernel may know no such question: our own read timeout.
    """
    scene.kube.write(b"one")
    scene.kube.faults.append(Fault("stall", after=len(scene.kube.life.log)))
    unplug_after_first_stream(scene)
    rhythm = replace(UNWATCHED, alive_idle=1, alive_every=1, alive_count=1, unacknowledged=1.0)
    if not LINUX:
        rhythm = replace(UNWATCHED, sock_read=1.0)
    async with listening(scene.source(rhythm)) as heard:
        await heard.until(lambda: heard.caught_up == 1)
        scene.kube.write(b"two")
        await heard.until(lambda: heard.lines == [b"one", b"two"], 10)
        assert any("the connection broke" in cause for cause in heard.losses) is LINUX
    assert heard.gaps == []


async def test_with_every_watchdog_switched_off_a_dropped_flow_is_never_noticed(scene: Scene) -> None:
    """What the tests of the watchdogs rest on: without them the stream is deaf for good."""
    scene.kube.write(b"one")
    scene.kube.faults.append(Fault("stall", after=len(scene.kube.life.log)))
    unplug_after_first_stream(scene)
    async with listening(scene.source(UNWATCHED)) as heard:
        await heard.until(lambda: heard.caught_up == 1)
        scene.kube.write(b"two")
        await asyncio.sleep(1.5)
        assert heard.lines == [b"one"]
        assert heard.losses == []


async def test_a_server_that_accepts_and_never_answers_is_given_up(tmp_path: Path) -> None:
    """An API server may hang without a header for minutes; the client's own time ends that."""
    kube = ScriptedKube()
    kube.write(b"x")

    async def never(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    mute = await asyncio.start_server(never, "127.0.0.1", 0)
    port = mute.sockets[0].getsockname()[1]
    scene = Scene(kube, f"http://127.0.0.1:{port}", tmp_path)
    async with listening(scene.source(replace(QUICK, answer=0.1))) as heard:
        await heard.until(lambda: any("no answer in time" in cause for cause in heard.losses))
        mute.close()
        await mute.wait_closed()
        async with serving(kube, port):
            await heard.until(lambda: heard.lines == [b"x"])


async def test_a_stream_has_no_time_limit_of_its_own(scene: Scene) -> None:
    """The library ends every request after five minutes, a follow too; an answer's limit does not hold for a stream."""
    scene.kube.write(b"x")
    async with listening(scene.source(replace(UNWATCHED, answer=0.2))) as heard:
        await heard.until(lambda: heard.caught_up == 1)
        await asyncio.sleep(0.6)
        scene.kube.write(b"y")
        await heard.until(lambda: heard.lines == [b"x", b"y"])
        assert (scene.follows(), heard.losses) == (1, [])
    api = ClusterApi(scene.kubeconfig, None, Rhythm())
    stream = await api.log("kubecost", scene.kube.pod_name, [("container", "cost-model"), ("follow", "true")])
    assert isinstance(stream, _HttpLog)
    assert isinstance(stream._answer.response._timer, TimerNoop)
    await stream.close()
    await api.close()


async def test_a_stream_lets_aiohttp_parse_on_only_when_all_was_taken(scene: Scene) -> None:
    """Another aiohttp may keep its marks elsewhere: reading would be slower, and nobody would see it."""
    scene.kube.write(b"x")
    api = ClusterApi(scene.kubeconfig, None, Rhythm())
    stream = await api.log("kubecost", scene.kube.pod_name, [("container", "cost-model"), ("follow", "true")])
    assert isinstance(stream, _HttpLog)
    low, high = stream._answer.response.content.get_read_buffer_limits()
    assert (low, high) == (1, 2 * 2**20)
    await stream.close()
    await api.close()


async def test_only_a_reading_that_waits_for_too_long_is_silence(scene: Scene) -> None:
    """Neither what comes slowly is, nor that nobody reads."""
    patience = 0.4
    scene.kube.write(b"x")
    api = ClusterApi(scene.kubeconfig, None, replace(UNWATCHED, sock_read=patience))
    stream = await api.log("kubecost", scene.kube.pod_name, [("container", "cost-model"), ("follow", "true")])
    assert (await stream.read()).endswith(b" x\n")
    await asyncio.sleep(2.5 * patience)
    for _ in range(4):
        scene.kube.write(b"y")
        assert (await stream.read()).endswith(b" y\n")
        await asyncio.sleep(patience / 2)
    begun = time.monotonic()
    with pytest.raises(Silence):
        await stream.read()
    assert patience <= time.monotonic() - begun < 2 * patience
    await stream.close()
    await api.close()


async def test_an_api_server_that_is_replaced_is_waited_for(scene: Scene) -> None:
    """Cut, refused, draining with Retry-After, forbidden for a moment, then as before: the log goes on."""
    busy = Fault("status", status=429, body="The apiserver is shutting down, please try again later.")
    scene.kube.faults.extend(
        [
            Fault("abort", after=50),
            *(replace(busy, headers={"Retry-After": "0", "Connection": "close"}) for _ in range(3)),
            Fault("status", status=403, body="pods is forbidden: RBAC is not loaded yet"),
            *(
                Fault("status", status=500, body="dial tcp 10.0.0.1:10250: connect: connection refused")
                for _ in range(20)
            ),
        ]
    )
    scene.kube.write(*numbered(0, 20))
    async with listening(scene.source()) as heard:
        await heard.until(lambda: len(heard.lines) == 20)
    assert heard.lines == numbered(0, 20)
    assert heard.gaps == []
    assert len(heard.of(Attached)) <= 3


@contextmanager
def serving_in_a_thread(kube: ScriptedKube) -> Iterator[tuple[str, asyncio.AbstractEventLoop]]:
    """The server goes on while the test's own loop stands still."""
    started: list[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = []
    ready = threading.Event()

    async def serve() -> None:
        async with serving(kube) as address:
            end = asyncio.Event()
            started.append((address, asyncio.get_running_loop(), end))
            ready.set()
            await end.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    ready.wait(5)
    address, loop, end = started[0]
    try:
        yield address, loop
    finally:
        loop.call_soon_threadsafe(end.set)
        thread.join(5)


async def test_after_a_standstill_of_this_process_the_stream_is_opened_anew(tmp_path: Path) -> None:
    """It was stopped, or its node was: the kubelet could not write, and may have left out a whole file since."""
    kube = ScriptedKube()
    kube.write(b"one")
    with serving_in_a_thread(kube) as (address, loop):
        scene = Scene(kube, address, tmp_path)
        rhythm = replace(UNWATCHED, poll=0.05, lapse=0.2)
        async with listening(scene.source(rhythm)) as heard:
            await heard.until(lambda: heard.caught_up == 1)
            await asyncio.sleep(0.3)
            assert scene.follows() == 1
            loop.call_soon_threadsafe(kube.write, b"two")
            time.sleep(0.5)  # noqa: ASYNC251 - that is the standstill
            await heard.until(lambda: scene.follows() == 2 and heard.lines == [b"one", b"two"])
    assert (heard.losses, heard.gaps) == ([], [])
