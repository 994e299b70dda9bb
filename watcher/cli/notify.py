"""``watcher notify test``: one real message to every destination."""

from __future__ import annotations

import asyncio
import json

import click

from watcher.cli.options import Settings, global_options
from watcher.errors import ConfigError


@click.group()
def notify() -> None:
    """Work on notifications."""


@notify.command()
@global_options
@click.pass_obj
def test(settings: Settings) -> int:
    """Send one real message to every configured destination and say which of them took it."""
    from watcher.notify import Notifier

    config = settings.load_config()
    notifier = Notifier(config.destinations())
    if problems := notifier.problems():
        raise ConfigError(*(f"{config.source}: notify: {problem}" for problem in problems))
    results = asyncio.run(notifier.test())
    if settings.output == "json":
        rows = [{"destination": name, "ok": ok, "detail": detail} for name, ok, detail in results]
        click.echo(json.dumps({"version": 1, "results": rows}, indent=2))
    else:
        if not results:
            click.echo("no destination is configured")
        for name, ok, detail in results:
            click.echo(f"{'ok    ' if ok else 'FAILED'}  {name}  {detail}".rstrip())
    return 0 if all(ok for _, ok, _ in results) else 1


COMMANDS = {"notify": notify}
