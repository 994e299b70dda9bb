"""A log over HTTP: how fast a backlog is read, how soon a line is known, how soon the next request follows."""

from __future__ import annotations

import asyncio
import json
import math
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml

from benchmarks.files import THIRTY
from benchmarks.loggen import generate
from benchmarks.running import Series, median, ratio, rounds
from benchmarks.serving import PLACE, Serving, serving, write_kubeconfig
from benchmarks.translate import extended
from watcher import clock
from watcher.profile import load_profile
from watcher.sources import LinesRead, SourceEvent

MB = 1_000_000
WAIT = 600.0  # seconds for anything
FRAMINGS = {"32 KiB chunks": False, "one chunk per line": True}
OURS = "watcher run"
THROWN_AWAY = "aiohttp, bytes thrown away"
CURL = "curl"
KUBECTL = "kubectl"
SOURCE = "watcher's source and matcher"
LOOP = "curl | grep | while read: curl, nothing saved"
NOISES = (0, 20)  # lines that do not matter, before each that does
TURN = 200  # lines in a row; then it is another's turn, for how soon a machine wakes up changes within a minute
BEGUN = 10  # lines until all the programs of a pipeline have started


def throughput(folder: Path, size: int, count: int, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """One row for each framing and contestant: bytes of log per second, from the server's first byte."""
    log = folder / "follow.log"
    lines = generate(log, size, 0.001)
    rows = []
    for framing, a_line_each in FRAMINGS.items():
        contestants = _contestants(folder, log, lines, a_line_each=a_line_each)
        tell(f"follow, {framing}: {', '.join(contestants)}")
        series = rounds(count, contestants)
        rows += [
            {
                "framing": framing,
                "name": each.name,
                "mb_per_second": each.median / MB,
                "ours_is_times": ratio(series[OURS], each),
            }
            for each in series.values()
        ]
    log.unlink()
    return rows


def pipelines(folder: Path, options: str) -> dict[str, str]:
    """What people write into a shell, as far as the programs are installed; ``options`` are for grep."""
    patterns = folder / "follow.patterns"
    posix = [each.replace(r"[^\[\]]", "[^][]") for each in extended(load_profile(THIRTY))]
    patterns.write_text("".join(f"{each}\n" for each in posix))
    readers = {
        CURL: "curl -sN {address}/raw",
        KUBECTL: "kubectl --kubeconfig {kubeconfig} logs -f p -c c",
    }
    grep = f"LC_ALL=C grep -a {options} -E -f {patterns}"
    return {f"{name} | grep -E": f"{reader} | {grep}" for name, reader in readers.items() if shutil.which(name)}


def _contestants(folder: Path, log: Path, lines: int, *, a_line_each: bool) -> dict[str, Callable[[Series], float]]:
    """Who reads the stream, in bytes a second."""
    size = log.stat().st_size

    def ours(_: Series) -> float:
        return size / _daemon(folder, log, lines, a_line_each=a_line_each)

    def thrown_away(_: Series) -> float:
        return size / _thrown_away(log, a_line_each=a_line_each)

    def pipeline(command: str) -> Callable[[Series], float]:
        return lambda _: size / _piped(folder, log, command, a_line_each=a_line_each)

    piped = {name: pipeline(command) for name, command in pipelines(folder, "-c").items()}
    return {OURS: ours, THROWN_AWAY: thrown_away, **piped}


def _piped(folder: Path, log: Path, command: str, *, a_line_each: bool) -> float:
    with (
        serving(log, a_line_each=a_line_each) as server,
        # Not to /dev/null: grep knows it, and would end at the first line that matches.
        subprocess.Popen(_shell(folder, command, server), stdout=subprocess.PIPE) as child,
    ):
        begun = server.wait_for("sending")
        child.communicate(timeout=WAIT)
        return time.monotonic() - begun


def _shell(folder: Path, command: str, server: Serving) -> list[str]:
    kubeconfig = write_kubeconfig(folder / "kubeconfig", server.address)
    return ["sh", "-c", command.format(address=server.address, kubeconfig=kubeconfig)]


def _thrown_away(log: Path, *, a_line_each: bool) -> float:
    with serving(log, a_line_each=a_line_each) as server:
        command = [sys.executable, "-c", _THROW_AWAY, f"{server.address}/raw"]
        with subprocess.Popen(command) as child:
            begun = server.wait_for("sending")
            child.wait(WAIT)
        return time.monotonic() - begun


_THROW_AWAY = """
import asyncio, sys, aiohttp
async def main():
    async with aiohttp.ClientSession() as session, session.get(sys.argv[1]) as answer:
        while await answer.content.readany():
            pass
asyncio.run(main())
"""


def _daemon(folder: Path, log: Path, lines: int, *, a_line_each: bool) -> float:
    with serving(log, a_line_each=a_line_each) as server, daemon(folder, server) as status:
        begun = server.wait_for("sending")
        while status()["log"]["lines"] < lines:
            time.sleep(0.02)
        return time.monotonic() - begun


# ---- a daemon -------------------------------------------------------------------------------------------------------


@contextmanager
def daemon(
    folder: Path, server: Serving, environment: Mapping[str, str] | None = None, **changes: Any
) -> Iterator[Callable[[], dict[str, Any]]]:
    """`watcher run` against a server, with a fresh state unless ``changes`` name one.

    Gives what asks it for its status document.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    state = folder / "follow.db"
    for each in folder.glob("follow.db*"):
        each.unlink()
    config = {
        "version": 1,
        "window": "2023-01-01T00:00:00Z,2023-01-04T00:00:00Z",
        "profile": THIRTY,
        "stages": ["asset"],
        "kubecost": {"url": server.address},
        "logs": {
            "source": "kubernetes",
            "kubeconfig": str(write_kubeconfig(folder / "kubeconfig", server.address)),
            **PLACE,
        },
        "state": {"path": str(state)},
        "server": {"listen": f"127.0.0.1:{port}"},
    }
    path = folder / "follow.yaml"
    path.write_text(yaml.safe_dump(config | changes))
    command = [sys.executable, "-m", "watcher", "run", "-f", str(path), "--log-level", "warning"]
    with subprocess.Popen(command, env={**os.environ, **(environment or {})}) as child:
        try:
            yield lambda: _status(f"http://127.0.0.1:{port}", child)
        finally:
            child.terminate()
            child.wait(WAIT)


def _status(address: str, child: subprocess.Popen[bytes]) -> dict[str, Any]:
    ends = time.monotonic() + WAIT
    while time.monotonic() < ends and child.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{address}/api/v1/status", timeout=10) as answer:
            document: dict[str, Any] = json.load(answer)
            return document | {"pid": child.pid, "address": address}
        time.sleep(0.05)
    message = "the daemon does not answer"
    raise RuntimeError(message)


# ---- latency --------------------------------------------------------------------------------------------------------


def latency(folder: Path, lines: int, count: int, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """From the server's write of a line, one every 5 ms, to the fact in our program, or the line behind a pipeline.

    In each round all take turns of ``TURN`` lines, until it is ``lines`` or a little less.
    """
    rows = []
    for noise in NOISES:
        tell(f"latency, {lines} lines, {noise} lines of noise before each")
        commands = pipelines(folder, "--line-buffered")
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in (SOURCE, *commands)}
        for _ in range(count):
            late: dict[str, list[float]] = {name: [] for name in taken}
            for _ in range(max(1, lines // TURN)):
                late[SOURCE] += asyncio.run(_facts(folder, TURN, noise))[BEGUN:]
                for name, command in commands.items():
                    late[name] += _lines(folder, command, TURN, noise)[BEGUN:]
            for name, microseconds in late.items():
                taken[name].append(quantiles(microseconds))
        for name, rounds_of_it in taken.items():
            row: dict[str, Any] = {"noise": noise, "name": name}
            for key in ("p50_us", "p99_us"):
                row[key] = median([each[key] for each in rounds_of_it])
                pairs = zip(taken[SOURCE], rounds_of_it, strict=True)
                row[f"ours_is_times_{key}"] = median([our[key] / their[key] for our, their in pairs])
            rows.append(row)
    return rows


async def _facts(folder: Path, lines: int, noise: int) -> list[float]:
    from watcher.cluster import KubernetesSource
    from watcher.matcher import Matcher
    from watcher.scan import Scanner

    taken: list[float] = []
    ended = asyncio.Event()
    scanner = Scanner(Matcher(load_profile(THIRTY)))

    async def emit(event: SourceEvent) -> None:
        if isinstance(event, LinesRead):
            for fact in scanner.read_lines(event).facts:
                taken.append((time.monotonic_ns() - (fact.rows_in or 0)) / 1000)
            if len(taken) >= lines:
                ended.set()

    with serving(paced=lines, noise=noise) as server:
        kubeconfig = write_kubeconfig(folder / "kubeconfig", server.address)
        source = KubernetesSource(
            namespace=PLACE["namespace"],
            deployment=PLACE["deployment"],
            container=PLACE["container"],
            kubeconfig=kubeconfig,
            clock=clock.now,
        )
        await source.open()
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(source.follow(emit, None))
            async with asyncio.timeout(WAIT):
                await ended.wait()
            following.cancel()
    return taken


def _lines(folder: Path, command: str, lines: int, noise: int) -> list[float]:
    with (
        serving(paced=lines, noise=noise) as server,
        subprocess.Popen(_shell(folder, command, server), stdout=subprocess.PIPE, text=True) as child,
    ):
        assert child.stdout is not None
        return [(time.monotonic_ns() - int(line.split()[-2])) / 1000 for line in child.stdout]


def reaction(folder: Path, days: int, count: int, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """From the last evidence of a day to the request for the next one at the server.

    The watcher saves its state in between (fsync). The pipeline is a loop in a shell that knows the requests beforehand
    and sends one for each line that says "aggregated"; it keeps nothing.
    """
    tell(f"reaction, {days} days of one request each")
    turns = {OURS: _reactions} | ({LOOP: _loop} if shutil.which(CURL) else {})
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in turns}
    for _ in range(count):
        for name, turn in turns.items():
            taken[name].append(quantiles(turn(folder, days)))
    return [
        {"name": name, "days": days} | {key: median([each[key] for each in found]) for key in ("p50_us", "p99_us")}
        for name, found in taken.items()
    ]


def _windows(days: int) -> list[str]:
    first = datetime(2023, 1, 1, tzinfo=UTC)
    stamps = [f"{first + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ}" for day in range(days + 1)]
    return [f"{start},{end}" for start, end in pairwise(stamps)]


def _reactions(folder: Path, days: int) -> list[float]:
    windows = _windows(days)
    window = f"{windows[0].partition(',')[0]},{windows[-1].partition(',')[2]}"
    with serving() as server, daemon(folder, server, window=window, chunk_days=1) as status:
        status()
        return [server.wait_for("reacted") * 1_000_000 for _ in range(days - 1)]


def _loop(folder: Path, days: int) -> list[float]:
    first, *others = _windows(days)
    windows = folder / "windows"
    windows.write_text("".join(f"{each}\n" for each in others))
    with serving() as server:
        stream = f"{server.address}/api/v1/namespaces/bench/pods/p/log?follow=true&timestamps=true"
        ask = f'curl -s -o /dev/null "{server.address}/etl/asset/repair?window='
        script = f"curl -sN '{stream}' | grep --line-buffered 'aggregated' | "
        script += f'while read -r line && read -r window <&3; do {ask}$window"; done 3<{windows}'
        with subprocess.Popen(["sh", "-c", script], start_new_session=True) as child:
            server.wait_for("sending")
            time.sleep(0.2)  # the server has its stream, and grep is there
            with urllib.request.urlopen(f"{server.address}/etl/asset/repair?window={first}", timeout=WAIT) as answer:
                answer.read()
            taken = [server.wait_for("reacted") * 1_000_000 for _ in others]
            os.killpg(child.pid, signal.SIGTERM)
    return taken


def quantiles(microseconds: list[float]) -> dict[str, float]:
    """Median and 99th percentile."""
    if len(microseconds) < 2:
        return {"p50_us": math.nan, "p99_us": math.nan}
    cuts = statistics.quantiles(microseconds, n=100, method="inclusive")
    return {"p50_us": cuts[49], "p99_us": cuts[98]}
