"""A log over HTTP: how fast a backlog is read, how soon a line is known, how soon the next request follows."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from benchmarks.files import THIRTY
from benchmarks.loggen import generate
from benchmarks.running import Series, ratio, rounds
from benchmarks.serving import PLACE, Serving, serving, write_kubeconfig
from benchmarks.translate import extended
from watcher import clock
from watcher.profile import load_profile
from watcher.sources import LinesRead, SourceEvent

MB = 1_000_000
WAIT = 300.0  # seconds for anything


def throughput(folder: Path, size: int, count: int, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """One row for each framing and contestant: bytes of log per second, from the server's first byte."""
    log = folder / "follow.log"
    lines = generate(log, size, 0.001)
    rows = []
    for framing, a_line_each in (("32 KiB chunks", False), ("a chunk for each line", True)):
        contestants = _contestants(folder, log, lines, size, a_line_each=a_line_each)
        tell(f"follow, {framing}: {', '.join(contestants)}")
        series = rounds(count, contestants)
        ours = series["watcher run"]
        rows += [
            {
                "framing": framing,
                "name": each.name,
                "mb_per_second": round(each.median / MB, 1),
                "ours_is_times": round(ratio(ours, each), 3),
            }
            for each in series.values()
        ]
    log.unlink()
    return rows


def _pipelines(folder: Path) -> dict[str, str]:
    patterns = folder / "follow.patterns"
    posix = [each.replace(r"[^\[\]]", "[^][]") for each in extended(load_profile(THIRTY))]
    patterns.write_text("".join(f"{each}\n" for each in posix))
    grep = f"LC_ALL=C grep -a -c -E -f {patterns}"
    known = {
        "curl > /dev/null": "curl -sN {address}/raw >/dev/null",
        "curl | grep -E": f"curl -sN {{address}}/raw | {grep}",
    }
    return known if shutil.which("curl") else {}


def _contestants(
    folder: Path, log: Path, lines: int, size: int, *, a_line_each: bool
) -> dict[str, Callable[[Series], float]]:
    """Who reads the stream, in bytes a second."""

    def ours(_: Series) -> float:
        return size / _daemon(folder, log, lines, a_line_each=a_line_each)

    def thrown_away(_: Series) -> float:
        return size / _thrown_away(log, a_line_each=a_line_each)

    def pipeline(command: str) -> Callable[[Series], float]:
        return lambda _: size / _piped(log, command, a_line_each=a_line_each)

    pipelines = {name: pipeline(command) for name, command in _pipelines(folder).items()}
    return {"watcher run": ours, "aiohttp, thrown away": thrown_away, **pipelines}


def _piped(log: Path, command: str, *, a_line_each: bool) -> float:
    with serving(log, a_line_each=a_line_each) as server:
        with subprocess.Popen(["sh", "-c", command.format(address=server.address)]) as child:
            begun = server.wait_for("sending")
            child.wait(WAIT)
        return time.monotonic() - begun


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
    async with aiohttp.ClientSession(read_bufsize=2**20) as session, session.get(sys.argv[1]) as answer:
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
def daemon(folder: Path, server: Serving, **changes: Any) -> Iterator[Callable[[], dict[str, Any]]]:
    """`watcher run` against a server; gives what asks it for its status document."""
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
    with subprocess.Popen(command) as child:
        try:
            yield lambda: _status(port, child)
        finally:
            child.terminate()
            child.wait(WAIT)


def _status(port: int, child: subprocess.Popen[bytes]) -> dict[str, Any]:
    ends = time.monotonic() + WAIT
    while time.monotonic() < ends and child.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/status", timeout=10) as answer:
            document: dict[str, Any] = json.load(answer)
            return document | {"pid": child.pid}
        time.sleep(0.05)
    message = "the daemon does not answer"
    raise RuntimeError(message)


# ---- latency --------------------------------------------------------------------------------------------------------


def latency(folder: Path, lines: int, count: int, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """From the server's write of a line, one every 5 ms, to the fact in our program, or the line behind a pipeline."""
    rows = []
    for noise in (0, 20):
        tell(f"latency, {lines} lines, {noise} lines of noise before each")
        ours, theirs = [], []
        for _ in range(count):
            ours += asyncio.run(_facts(folder, lines, noise))
            theirs += _lines(folder, lines, noise)
        rows += [
            {"noise": noise, "name": "watcher's source and matcher", **_quantiles(ours)},
            {"noise": noise, "name": "curl | grep -E --line-buffered", **_quantiles(theirs)},
        ]
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


def _lines(folder: Path, lines: int, noise: int) -> list[float]:
    command = _pipelines(folder)["curl | grep -E"].removesuffix(" >/dev/null")
    with serving(paced=lines, noise=noise) as server:
        run = ["sh", "-c", command.format(address=server.address)]
        with subprocess.Popen(run, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            return [(time.monotonic_ns() - int(line.split()[-2])) / 1000 for line in child.stdout]


def reaction(folder: Path, days: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """From the last evidence of a day to the request for the next one at the server, state saved in between."""
    tell(f"reaction, {days} days of one request each")
    last = datetime(2023, 1, 1, tzinfo=UTC).toordinal() + days
    window = f"2023-01-01T00:00:00Z,{datetime.fromordinal(last):%Y-%m-%dT%H:%M:%SZ}"
    taken = []
    with serving() as server, daemon(folder, server, window=window, chunk_days=1) as status:
        status()
        taken = [server.wait_for("reacted") * 1_000_000 for _ in range(days - 1)]
    return {"days": days, **_quantiles(taken)}


def _quantiles(microseconds: list[float]) -> dict[str, float]:
    if len(microseconds) < 2:
        return {}
    cuts = statistics.quantiles(microseconds, n=100)
    return {"p50_us": round(cuts[49]), "p99_us": round(cuts[98]), "count": len(microseconds)}
