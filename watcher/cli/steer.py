"""Steer a run whose daemon is not running: pause, resume, retry, skip, abort, approve, written into the state file."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import click

from watcher.cli.options import Settings, global_options
from watcher.core.events import Move
from watcher.errors import StateError

_SAYS = {
    Move.PAUSE: "Send nothing more until 'resume'; a repair that runs in Kubecost goes on.",
    Move.RESUME: "End a pause.",
    Move.RETRY: "Request days again that failed, were emptied, refused, skipped or stayed unclear.",
    Move.SKIP: "Leave days out; the stage goes on without them.",
    Move.ABORT: "End the run for good.",
    Move.APPROVE: "End a hold and go on in spite of its reason; emptied days are accepted as they are.",
}


def _command(move: Move) -> click.Command:
    @click.option("--reason", help="Stored, and shown in the journal.")
    @global_options
    @click.pass_obj
    def steer(settings: Settings, *, reason: str | None, stage: str | None = None, day: datetime | None = None) -> int:
        click.echo(_write(settings, move, reason, stage, day.replace(tzinfo=UTC).date() if day else None))
        return 0

    steer.__doc__ = f"{_SAYS[move]}\n\nWorks on the state file while no daemon runs; the next start goes on from there."
    if move in {Move.RETRY, Move.SKIP}:
        steer = click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="Only this day, such as 2023-01-02.")(
            steer
        )
        steer = click.option("--stage", help="Only this stage.")(steer)
    return click.command(name=move.value)(steer)


def _write(settings: Settings, move: Move, reason: str | None, stage: str | None, day: date | None) -> str:
    """Carry the move out on the saved run; what it led to, in words. RefusedError where it is not allowed now."""
    from watcher import clock, preflight
    from watcher.core.commands import Record
    from watcher.core.events import OperatorAsked
    from watcher.core.operator import objection
    from watcher.core.orchestrator import step
    from watcher.store import Store

    config, _, plan = settings.load_plan()
    path = config.state_path
    if not path.exists():
        message = f"{path}: there is no state file yet; start 'watcher run'"
        raise StateError(message)
    store = Store(path).open()
    try:
        saved = store.load()
        if saved is None:
            message = f"{path}: no run was saved in it yet; start 'watcher run'"
            raise StateError(message)
        preflight.refuse_other_run(saved, plan, str(path))
        asked = OperatorAsked(move, reason, stage, day)
        if (why := objection(saved.state, asked)) is not None:
            message = f"{path}: {move} is not possible now: {why}"
            raise preflight.RefusedError(message)
        now = clock.now()
        # Nobody listens: nothing may be asked for in this step, the next daemon hears the log first.
        deaf = replace(saved.state.log, connected=False, blind_since=now, blind_cause="no daemon runs")
        state, commands = step(replace(saved.state, log=deaf), asked, now, plan)
        store.save(state, saved.cursor, [each for each in commands if isinstance(each, Record)])
    finally:
        store.close()
    why = f" ({state.reason})" if state.reason else ""
    return f"{move}: the run is {state.status}{why}; 'watcher run' goes on from here"


COMMANDS = {move.value: _command(move) for move in Move}
