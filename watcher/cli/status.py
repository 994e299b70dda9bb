"""``watcher status``: the status document, from a daemon or from the state file."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import click

from watcher.cli.options import Settings, global_options
from watcher.errors import StateError, WatcherError

WATCH_EVERY = 2.0  # seconds
TIMEOUT = 10.0  # seconds


class UnreachableError(WatcherError):
    """The daemon did not answer."""

    exit_code = 75


@click.command()
@click.option("--url", help="Of a running daemon, such as http://127.0.0.1:8080; default: read the state file.")
@click.option("--state", "path", type=click.Path(), help="The state file; default: the configuration's.")
@click.option("--watch", is_flag=True, help="Draw anew every two seconds.")
@global_options
@click.pass_obj
def status(settings: Settings, url: str | None, path: str | None, *, watch: bool) -> int:
    """Show the status document of a running daemon (--url) or of the state file."""
    from watcher.terminal import is_live, live, print_document

    if url is None and path is None:
        path = str(settings.load_config().state_path)
    if watch and is_live():
        with live() as draw:
            while True:
                draw(_document(url, path))
                time.sleep(WATCH_EVERY)
    while True:
        print_document(_document(url, path), settings.output)
        if not watch:
            return 0
        time.sleep(WATCH_EVERY)


def _document(url: str | None, path: str | None) -> dict[str, Any]:
    return _from_daemon(url) if url is not None else _from_state(Path(path or ""))


def _from_daemon(url: str) -> dict[str, Any]:
    target = f"{url.rstrip('/')}/api/v1/status"
    if not target.startswith(("http://", "https://")):
        raise click.UsageError(f"{url}: give the URL of a daemon, such as http://127.0.0.1:8080.")
    try:
        with urllib.request.urlopen(target, timeout=TIMEOUT) as answer:  # noqa: S310  the scheme was checked
            document: dict[str, Any] = json.load(answer)
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        message = f"{target}: no status from there ({reason}); is the daemon running?"
        raise UnreachableError(message) from error
    return document


def _from_state(path: Path) -> dict[str, Any]:
    from watcher import clock
    from watcher.core.view import view
    from watcher.store import read

    if not path.exists():
        message = f"{path}: there is no state file yet; start 'watcher run', or give --url"
        raise StateError(message)
    saved = read(path)
    if saved is None:
        message = f"{path}: no run was saved in it yet"
        raise StateError(message)
    return view(saved.state, clock.now())


COMMANDS = {"status": status}
