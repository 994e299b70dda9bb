"""The program as its users start it: whole runs, over real sockets, in processes of their own."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from pathlib import Path
from subprocess import CompletedProcess, run
from typing import Any

import pytest
import trustme
import yaml

from tests.kills import ROOT, configured, environment, killed_run, watcher
from watcher.core.window import Window
from watcher.simulator import SCENARIOS, Simulation, grants_of_role

WINDOW = Window.of_days(date(2023, 1, 1), date(2023, 1, 3))
ORDER = ["asset", "cloudUsage", "reconciliation", "allocation"]


def accepted(simulation: Simulation) -> list[str | None]:
    return [request.stage for request in simulation.requests if request.accepted]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[CompletedProcess[str]]]]:
    """Every scenario, four at a time: they mostly wait."""

    def play(scenario: str) -> CompletedProcess[str]:
        command = [sys.executable, "-m", "watcher", "simulate", "--scenario", scenario, "-o", "json"]
        folder = tmp_path_factory.mktemp(scenario)
        return run(command, cwd=folder, env=environment(), text=True, capture_output=True, timeout=90, check=False)

    with ThreadPoolExecutor(4) as pool:
        yield {scenario: pool.submit(play, scenario) for scenario in SCENARIOS}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_ends_as_it_must(scenario: str, played: dict[str, Future[CompletedProcess[str]]]) -> None:
    """Exit code, state, reason, the order of requests and every day that is called done agree with what truly was."""
    ended = played[scenario].result()
    assert "verdict: as the scenario demands" in ended.stderr, ended.stderr
    assert ended.returncode == SCENARIOS[scenario].verdict.exit_code
    document = json.loads(ended.stdout)
    assert document["version"] == 1
    assert document["run"]["state"] == SCENARIOS[scenario].verdict.run_state


async def test_run_once_over_tls_with_no_more_rights_than_the_role_grants(tmp_path: Path) -> None:
    """A kubeconfig and a URL are all that it needs; whatever deploy/standalone.yaml does not grant is refused there."""
    ca = trustme.CA()
    documents = list(yaml.safe_load_all((ROOT / "deploy/standalone.yaml").read_text()))
    role = next(document for document in documents if document["kind"] == "Role")
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    simulation = Simulation(
        SCENARIOS["happy"], window=WINDOW, ssl=context, ca=ca.cert_pem.bytes(), rbac=grants_of_role(role["rules"])
    )
    async with simulation:
        config = configured(simulation, tmp_path)
        code, out, err = await watcher("run", "--once", "-o", "json", "-f", str(config), cwd=tmp_path)
        assert (code, simulation.judge(code, json.loads(out))) == (0, []), err
        assert accepted(simulation) == ORDER
        # Started again, the finished run is left alone.
        code, out, err = await watcher("run", "--once", "-o", "json", "-f", str(config), cwd=tmp_path)
        assert code == 0
        assert len(simulation.requests) == len(ORDER)
        # Another window is another run: refused without the word for it.
        other = {"window": "2023-01-01T00:00:00Z,2023-01-03T00:00:00Z"}
        code, _, err = await watcher(
            "run", "--once", "-f", str(configured(simulation, tmp_path, **other)), cwd=tmp_path
        )
        assert code == 4
        assert "--new-run" in err
        assert len(simulation.requests) == len(ORDER)


@pytest.mark.timeout(120)
async def test_killed_at_random_moments_it_ends_done_and_asks_for_nothing_twice(tmp_path: Path) -> None:
    """SIGKILL again and again: no day forgotten, no request sent twice. ``.ci/run`` does the same 200 times."""
    outcome = await killed_run(tmp_path, kills=6, days=8, seed=7)
    assert (outcome.state, outcome.wrong, outcome.errors) == ("done (None)", [], "")
    assert outcome.kills == 6


async def test_sigterm_saves_and_says_143(tmp_path: Path) -> None:
    """The daemon leaves within moments, and another start goes on where it stood."""
    simulation = Simulation(SCENARIOS["slow-last-day"], window=WINDOW)
    async with simulation:
        config = configured(simulation, tmp_path)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "watcher", "run", "-f", str(config)),
            cwd=tmp_path,
            env=environment(),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
        )
        while not simulation.requests:
            await asyncio.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, err = await asyncio.wait_for(process.communicate(), 10)
        assert process.returncode == 143, err.decode()
        assert "Traceback" not in err.decode()
        code, out, _ = await watcher("run", "--once", "-o", "json", "-f", str(config), cwd=tmp_path)
        assert code == 0
        assert accepted(simulation) == ORDER
        assert simulation.judge(code, json.loads(out)) == []


async def test_a_dry_run_sends_nothing_and_writes_nothing(tmp_path: Path) -> None:
    """It says what it would have sent."""
    simulation = Simulation(SCENARIOS["happy"], window=WINDOW)
    async with simulation:
        config = configured(simulation, tmp_path)
        code, out, _ = await watcher("run", "--once", "--dry-run", "-o", "json", "-f", str(config), cwd=tmp_path)
        assert code == 3
        assert (
            "/model/etl/asset/repair?window=2023-01-01T00:00:00Z,2023-01-04T00:00:00Z"
            in json.loads(out)["run"]["reason"]
        )
        assert simulation.requests == []
        assert not (tmp_path / "watcher.db").exists()


async def test_the_web_answer_of_a_running_daemon(tmp_path: Path) -> None:
    """Health, readiness, metrics and the status document, while it runs and after it is done."""
    import aiohttp

    simulation = Simulation(SCENARIOS["happy"], window=WINDOW)
    async with simulation:
        config = configured(simulation, tmp_path, server={"listen": "127.0.0.1:0"})
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "watcher", "--log-format", "json", "run", "-f", str(config)),
            cwd=tmp_path,
            env=environment(),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
        )
        assert process.stderr is not None
        try:
            while True:
                line = json.loads(await process.stderr.readline())
                if line["msg"].startswith("listening on "):
                    break
            url = line["msg"].removeprefix("listening on ")
            drain = asyncio.ensure_future(process.stderr.read())
            async with aiohttp.ClientSession(url) as session:
                document: dict[str, Any] = {}
                while document.get("run", {}).get("state") != "done":
                    async with session.get("/api/v1/status") as answer:
                        document = await answer.json()
                    await asyncio.sleep(0.1)
                for path, status in (("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/nothing", 404)):
                    async with session.get(path) as answer:
                        assert answer.status == status, path
                        text = await answer.text()
                        assert path != "/metrics" or 'watcher_stage_days{stage="asset",state="done"} 3.0' in text
            code, out, _ = await watcher("status", "--url", url, "-o", "json", cwd=tmp_path)
            assert code == 0
            assert json.loads(out)["run"]["state"] == "done"
        finally:
            process.send_signal(signal.SIGTERM)
            await drain
            await process.wait()
        code, out, _ = await watcher("status", "-f", str(config), "-o", "json", cwd=tmp_path)
        assert code == 0
        assert [stage["days_done"] for stage in json.loads(out)["stages"]] == [3, 3, 3, 3]
