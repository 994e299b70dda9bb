"""``watcher run``: the daemon."""

from __future__ import annotations

import asyncio

import click

from watcher.cli.options import Settings, global_options


@click.command()
@click.option("--once", is_flag=True, help="Exit with the run's exit code when it ends or holds.")
@click.option("--dry-run", is_flag=True, help="Follow and decide, but send no request and save nothing.")
@click.option("--new-run", is_flag=True, help="Begin another run, whatever the state file holds.")
@click.option("--force", is_flag=True, help="Accept a window that reaches into yesterday, today or the future.")
@global_options
@click.pass_obj
def run(settings: Settings, *, once: bool, dry_run: bool, new_run: bool, force: bool) -> int:
    """Follow the log, track every day, request the next ordered repair, tell people, answer on HTTP.

    Goes on with an unfinished run found in the state file. Stays up when the run has ended, unless --once.
    """
    from watcher import clock, logs, service
    from watcher.core.view import view
    from watcher.terminal import is_live, live, print_document

    config, profile, plan = settings.load_plan()
    choices = service.Choices(once=once, dry_run=dry_run, new_run=new_run, force=force)
    settings.log()
    if is_live():
        logs.silence()
        with live() as draw:
            watch = draw.throttled(lambda state: view(state, clock.now()))
            outcome = asyncio.run(service.run(config, profile, plan, choices, watch))
            draw(view(outcome.state, clock.now()))
    else:
        outcome = asyncio.run(service.run(config, profile, plan, choices))
    if once:
        print_document(view(outcome.state, clock.now()), settings.output, grid_shown=is_live())
    return outcome.code


COMMANDS = {"run": run}
