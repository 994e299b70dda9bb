"""Commands that need no cluster and send nothing: plan, replay, check, version."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from watcher import __version__
from watcher.cli import version_text
from watcher.cli.options import Settings, WindowType, global_options

if TYPE_CHECKING:
    from watcher.config import Config
    from watcher.core.window import Window


def _emit(document: Any) -> None:  # noqa: ANN401  anything that JSON can hold
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


@click.command()
@click.option("--force", is_flag=True, help="Plan a window that reaches into yesterday, today or the future too.")
@global_options
@click.pass_obj
def plan(settings: Settings, *, force: bool) -> int:
    """Show every request that would be sent, in order, with the days in each; send nothing."""
    from watcher import clock, service
    from watcher.core.turn import spell
    from watcher.core.window import rfc3339
    from watcher.planning import planned_requests
    from watcher.preflight import refuse_recent

    config, profile, made = settings.load_plan()
    if not force:
        refuse_recent(made, clock.now())
    requester = service.requester(config, profile)
    rows = [
        {
            "number": request.request,
            "stage": request.stage,
            "window": {"start": rfc3339(request.window.start), "end": rfc3339(request.window.end)},
            "days": [day.isoformat() for day in request.window.days()],
            "method": "GET",
            "url": requester.url(request.stage, request.window),
        }
        for request in planned_requests(made)
    ]
    if settings.output == "json":
        _emit({"version": 1, "profile": made.profile, "requests": rows})
        return 0
    for request in planned_requests(made):
        days = list(request.window.days())
        url = requester.url(request.stage, request.window)
        click.echo(f"{request.request:>3}  {request.stage:<15} {len(days):>3} day(s) {spell(days):<24} GET {url}")
    return 0


@click.command()
@click.argument("logs", nargs=-1, required=True, metavar="LOG...")
@click.option("--profile", help="A name in patterns/ or a path; default: the configuration's.")
@click.option("--window", type=WindowType(), help="Default: the configuration's.")
@global_options
@click.pass_obj
def replay(settings: Settings, logs: tuple[str, ...], profile: str | None, window: Window | None) -> int:
    """Read recorded LOGs ("-" is stdin, .gz is fine) through the same matcher and core; print the status document.

    Nothing is sent. A stage opens with its own start line or its first fact; the end of a log proves nothing.
    """
    from watcher.core.view import exit_code, view
    from watcher.matcher import Matcher
    from watcher.planning import replay_plan
    from watcher.profile import load_profile
    from watcher.replay import Replay
    from watcher.terminal import is_live, live, print_document

    if profile is None or window is None:
        config = _config_for_replay(settings)
        window = window or config.window
        rules = load_profile(profile) if profile else config.load_profile()
    else:
        rules = load_profile(profile)
    made = replay_plan(rules, window, name=f"replay of {', '.join(logs)}")
    pass_over = Replay(made, Matcher(rules))
    if is_live() and settings.output == "table":
        with live() as draw:
            pass_over.watch = draw.throttled(lambda state: view(state, None))
            state = pass_over.read(logs)
            draw(view(state, None))
    else:
        state = pass_over.read(logs)
    for warning in pass_over.warnings:
        click.echo(f"watcher: warning: {warning}", err=True)
    print_document(view(state, None), settings.output, grid_shown=is_live() and settings.output == "table")
    return exit_code(state)


def _config_for_replay(settings: Settings) -> Config:
    """What the options leave open comes from the configuration; where there is none, the options are to be given."""
    from watcher.errors import ConfigError

    try:
        return settings.load_config()
    except ConfigError as error:
        if settings.config is not None or len(error.problems) > 1:
            raise
        message = f"{error.problems[0]}, or give both --profile and --window"
        raise ConfigError(message) from None


@click.command()
@click.option("--schema", type=click.Choice(["config", "patterns"]), help="Print a JSON Schema instead.")
@global_options
@click.pass_obj
def check(settings: Settings, schema: str | None) -> int:
    """Check the configuration and every pattern file with its samples; all errors at once; no network."""
    from watcher.errors import ConfigError
    from watcher.profile import load_profile, shipped_profiles

    if schema is not None:
        from watcher import config as config_module
        from watcher import profile as profile_module

        _emit(config_module.json_schema() if schema == "config" else profile_module.json_schema())
        return 0
    problems: list[str] = []
    checked: list[str] = []
    for name in shipped_profiles():
        try:
            loaded = load_profile(name)
            checked.append(f"profile {name}: {len(loaded.patterns)} patterns, every sample as expected")
        except ConfigError as error:
            problems.extend(error.problems)
    try:
        config, profile, made = settings.load_plan()
        problems.extend(_destination_problems(config))
        checked.append(f"configuration {config.source}: ok")
        if profile.name not in shipped_profiles():
            checked.append(f"profile {profile.name}: {len(profile.patterns)} patterns, every sample as expected")
        checked.append(f"run: {made.window}, stages {' > '.join(stage.name for stage in made.stages)}")
    except ConfigError as error:
        problems.extend(problem for problem in error.problems if problem not in problems)
    if problems:
        raise ConfigError(*problems)
    if settings.output == "json":
        _emit({"version": 1, "ok": True, "checked": checked})
    else:
        for line in checked:
            click.echo(line)
    return 0


def _destination_problems(config: Config) -> list[str]:
    """What is wrong with the addresses that stand in the configuration; those in secret files may be elsewhere."""
    from watcher.config_plan import destination_names

    named = zip(destination_names(config.notify), config.notify, strict=True)
    urls = {name: entry.url.get_secret_value() for name, entry in named if entry.url is not None}
    if not urls:
        return []
    from watcher.notify import Notifier

    return [f"{config.source}: notify: {problem}" for problem in Notifier(urls).problems()]


@click.command()
@global_options
@click.pass_obj
def version(settings: Settings) -> int:
    """Show the version, Python, and the profiles shipped."""
    from watcher.shipped import shipped_profiles

    if settings.output == "json":
        _emit({"version": __version__, "python": sys.version.split()[0], "profiles": shipped_profiles()})
    else:
        sys.stdout.write(version_text())
    return 0


COMMANDS = {"plan": plan, "replay": replay, "check": check, "version": version}
