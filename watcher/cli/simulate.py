"""``watcher simulate``: a whole run against an embedded Kubecost and Kubernetes log API, over real sockets."""

from __future__ import annotations

import asyncio
import json
import tempfile
from dataclasses import replace
from datetime import date, timedelta
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING

import click
import yaml

from watcher.cli.options import Settings, global_options

if TYPE_CHECKING:
    from watcher.service import Outcome
    from watcher.simulator import Scenario, Simulation

FIRST_DAY = date(2023, 1, 1)
DAYS = 3


@click.command()
@click.option("--scenario", default="happy", show_default=True, help="What happens in it; see --list.")
@click.option("--list", "listed", is_flag=True, help="List the scenarios.")
@click.option("--days", type=click.IntRange(1, 400), help="Days in the window.  [default: 3, or as the seed wants it]")
@click.option("--seed", type=int, default=1, show_default=True, help="For everything that is random in it.")
@click.option("--speed", type=click.FloatRange(0.01, 100), default=1.0, show_default=True, help="How fast time goes.")
@click.option("--serve", is_flag=True, help="Only serve; print a kubeconfig and a configuration for 'watcher run'.")
@click.option("--chaos", is_flag=True, help="No scenario and no sockets: replay one seed of the soak in virtual time.")
@global_options
@click.pass_context
def simulate(  # noqa: PLR0913 - one for each option
    context: click.Context,
    *,
    scenario: str,
    listed: bool,
    days: int | None,
    seed: int,
    speed: float,
    serve: bool,
    chaos: bool,
) -> int:
    """Drive a whole run against an embedded Kubecost: the quick start without a cluster.

    Ends with the run's exit code, and says what Kubecost saw and whether the run claimed anything that is not true.
    With --chaos: prints all that happens and the digest of it, and ends with 1 where a law does not hold.
    """
    from watcher.core.window import Window
    from watcher.simulator import SCENARIOS, Pace, Simulation

    settings: Settings = context.obj
    if listed:
        _list(settings, SCENARIOS)
        return 0
    if chaos:
        _refuse_beside_chaos(context)
        return _replay(settings, seed, days)
    if not isfinite(speed):
        raise click.BadParameter(f"{speed} is no speed.", param_hint="'--speed'")
    if scenario not in SCENARIOS:
        raise click.BadParameter(f"{scenario!r} is none of {', '.join(SCENARIOS)}.", param_hint="'--scenario'")
    window = Window.of_days(FIRST_DAY, FIRST_DAY + timedelta(days=(days or DAYS) - 1))
    simulation = Simulation(SCENARIOS[scenario], window=window, seed=seed, pace=Pace().scaled(speed))
    settings.log()
    with tempfile.TemporaryDirectory(prefix="watcher-") as folder:
        try:
            return asyncio.run(
                _serve(simulation, Path(folder)) if serve else _drive(settings, simulation, Path(folder))
            )
        except KeyboardInterrupt:
            return 130


def _refuse_beside_chaos(context: click.Context) -> None:
    for name in ("scenario", "speed", "serve"):
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            raise click.UsageError(f"--{name} says nothing to --chaos: the seed decides what happens.")


def _replay(settings: Settings, seed: int, days: int | None) -> int:
    """One seed of the simulation in virtual time: its story line by line, the digest of that, and the verdict."""
    from watcher.simulator.chaos import simulate as run

    as_json = settings.output == "json"
    report = run(seed, days, (lambda _: None) if as_json else click.echo)
    broken = [{"law": one.law, "at": one.at, "says": one.text} for one in report.breaches]
    if as_json:
        summary = {"seed": seed, "state": report.status, "reason": report.reason, "seconds": report.seconds}
        summary |= {"requests": report.requests, "lives": report.lives, "broken": broken, "digest": report.digest}
        click.echo(json.dumps({"version": 1, **summary}, indent=2))
    else:
        told = (
            "every law holds" if not broken else f"{len(broken)} breaches: {', '.join(str(x['law']) for x in broken)}"
        )
        click.echo(f"seed {seed}: {report.status} after {report.seconds:.1f} s; {told}; digest {report.digest}")
    return 1 if broken else 0


def _list(settings: Settings, scenarios: dict[str, Scenario]) -> None:
    if settings.output == "json":
        rows = [
            {"name": each.name, "profile": each.profile, "exit_code": each.verdict.exit_code, "says": each.description}
            for each in scenarios.values()
        ]
        click.echo(json.dumps({"version": 1, "scenarios": rows}, indent=2))
        return
    width = max(map(len, scenarios))
    for each in scenarios.values():
        click.echo(f"{each.name:<{width}}  exit {each.verdict.exit_code}  {each.description}")


def _write(simulation: Simulation, folder: Path) -> Path:
    kubeconfig, config = folder / "kubeconfig", folder / "config.yaml"
    simulation.write_kubeconfig(kubeconfig)
    config.write_text(yaml.safe_dump(simulation.config(kubeconfig, folder / "watcher.db"), sort_keys=False))
    return config


async def _serve(simulation: Simulation, folder: Path) -> int:
    async with simulation:
        config = _write(simulation, folder)
        click.echo(f"kubeconfig: {folder / 'kubeconfig'}")
        click.echo(f"config: {config}")
        click.echo(config.read_text())
        click.echo(f"Kubernetes API {simulation.kube_url}, Kubecost {simulation.kubecost_url}; Ctrl-C ends it.")
        click.echo(f"In another terminal: watcher run --once -f {config}")
        await asyncio.Event().wait()
    return 0


async def _drive(settings: Settings, simulation: Simulation, folder: Path) -> int:
    from watcher import clock
    from watcher.core.view import view
    from watcher.terminal import is_live, live, print_document

    async with simulation:
        config = _write(simulation, folder)
        if is_live() and settings.output == "table":
            with live() as draw:
                outcome = await _run(config, simulation, draw.throttled(lambda state: view(state, clock.now())))
                draw(view(outcome.state, clock.now()))
        else:
            outcome = await _run(config, simulation, None)
        document = view(outcome.state, clock.now())
        wrong = simulation.judge(outcome.code, document) if outcome.code < 128 else []  # noqa: PLR2004  a signal
        told = _told(simulation, wrong, ended=outcome.code < 128)  # noqa: PLR2004
    print_document(document, settings.output, grid_shown=is_live() and settings.output == "table")
    for line in told:
        click.echo(line, err=True)
    return 1 if wrong else outcome.code


async def _run(config_path: Path, simulation: Simulation, watch: object) -> Outcome:
    from watcher import logs, service
    from watcher.config import load_config

    if watch is not None:
        logs.silence()
    config = load_config(config_path, {})
    profile = config.load_profile()
    plan = replace(config.plan(profile), name=f"simulated: {simulation.scenario.name}")
    return await service.run(config, profile, plan, service.Choices(once=True), watch)  # type: ignore[arg-type]


def _told(simulation: Simulation, wrong: list[str], *, ended: bool) -> list[str]:
    """What the simulated Kubecost saw, and the verdict; there is none on half a run."""
    from watcher.core.turn import spell

    lines = [f"scenario {simulation.scenario.name}: {simulation.scenario.description}"]
    for request in simulation.requests:
        done = ", ".join(f"{stage} {len(days)}" for stage, days in request.finished.items() if days) or "nothing"
        taken = "accepted" if request.accepted else f"HTTP {request.status}"
        what = f"{request.stage} {spell(list(request.window.days()))}" if request.window else request.target
        lines.append(f"{request.number:>3}  {request.at:%H:%M:%S}  {what}  {taken}; truly done by then: {done}")
    lines += [f"WRONG: {problem}" for problem in wrong]
    verdict = "none, it was ended before its time" if not ended else "as the scenario demands"
    lines.append(f"verdict: {'NOT as the scenario demands' if wrong else verdict}")
    return lines


COMMANDS = {"simulate": simulate}
