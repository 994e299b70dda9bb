"""A whole run that follows a file, rotated in the middle of it, against a Kubecost of a few lines."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE
from datetime import date
from pathlib import Path

import yaml
from aiohttp import web

from watcher.core.window import Window

ROOT = Path(__file__).parent.parent
DAYS = [date(2023, 1, day) for day in (1, 2, 3)]


class Kubecost:
    """Answers repairs of assets and allocations and writes their lines into a file, which it rotates when asked to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[str] = []
        self.tasks: set[asyncio.Task[None]] = set()

    def application(self) -> web.Application:
        application = web.Application()
        application.router.add_get("/model/etl/{kind}/repair", self.repair)
        return application

    async def repair(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"].capitalize()
        self.asked.append(kind)
        task = asyncio.create_task(self.work(kind))  # noqa: TID251  kept below
        self.tasks.add(task)
        return web.json_response({"code": 200, "data": f"Repairing {kind} ETL"})

    async def work(self, kind: str) -> None:
        self.say(
            f"ETL: {kind}[1d]: ETLStore.Repair[aBcDe]: repairing 2023-01-01 00:00:00 +0000 UTC, "
            "2023-01-04 00:00:00 +0000 UTC"
        )
        for day in DAYS:
            await asyncio.sleep(0.2)
            window = Window.of_days(day, day)
            spelled = f"[{window.start:%Y-%m-%dT%H:%M:%S}+0000, {window.end:%Y-%m-%dT%H:%M:%S}+0000)"
            self.say(f"ETL: {kind}[1d]: AggregatedStore.Run[fGhIj]: run: aggregated {spelled} from 9 to 4 in 1.5ms")
            if day == DAYS[1]:
                self.path.rename(self.path.with_name("pod.log.1"))

    def say(self, message: str) -> None:
        with self.path.open("a") as log:
            log.write(f"2026-01-01T00:00:00Z INF {message}\n")


async def test_a_run_that_follows_a_file_over_its_rotation(tmp_path: Path) -> None:
    """Two stages in order, every day seen, although the file was renamed away under the reader twice."""
    kubecost = Kubecost(tmp_path / "pod.log")
    kubecost.say("ETL: something ordinary")
    runner = web.AppRunner(kubecost.application(), handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    config = {
        "version": 1,
        "window": "2023-01-01T00:00:00Z,2023-01-04T00:00:00Z",
        "profile": "kubecost-1.99",
        "stages": ["asset", "allocation"],
        "kubecost": {"url": f"http://{host}:{port}/model/"},
        "logs": {"source": "file", "path": str(kubecost.path)},
        "state": {"path": str(tmp_path / "watcher.db")},
        "server": {"listen": None},
        "patience": {"start": "4s", "day": "6s", "quiet": "1s"},
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "watcher", "run", "--once", "-o", "json"),
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
        )
        out, err = await asyncio.wait_for(process.communicate(), 40)
    finally:
        await runner.cleanup()
    assert process.returncode == 0, err.decode()
    document = json.loads(out)
    assert kubecost.asked == ["Asset", "Allocation"]
    assert [stage["days_done"] for stage in document["stages"]] == [3, 3]
    assert not any(day["inferred"] for stage in document["stages"] for day in stage["days"])
    assert document["log"]["lines"] == 1 + 2 * 4
    assert document["log"]["gaps"] == []
