"""Puts a daemon together from a configuration: state file, source, requests, messages, the web answer, signals."""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from watcher import absent, clock, preflight  # noqa: F401  absent: before aiohttp is loaded
from watcher.core.commands import Record, Request
from watcher.core.plan import Plan
from watcher.core.state import State
from watcher.core.view import exit_code
from watcher.daemon import Daemon, Edges, Save, is_over
from watcher.errors import ConfigError
from watcher.face import Face, serve_face
from watcher.kubecost import Endpoint, RepairRequester
from watcher.matcher import Matcher
from watcher.pulse import Pulses
from watcher.scan import Scanner
from watcher.store import Saved, Store, read, refuse_if_busy

if TYPE_CHECKING:
    from watcher.config import Config
    from watcher.profile import Profile
    from watcher.sources import Source

log = logging.getLogger("watcher")


@dataclass(frozen=True, slots=True)
class Choices:
    """What the command line chose for this start."""

    once: bool = False
    dry_run: bool = False
    new_run: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a daemon ended: its exit code, and the state it left."""

    code: int
    state: State


Watch = Callable[[State], None]


async def run(config: Config, profile: Profile, plan: Plan, choices: Choices, watch: Watch | None = None) -> Outcome:
    """Run the daemon until it ends by itself or by a signal.

    Raises RefusedError before anything was sent or written, ConfigError and StateError for what the operator must mend;
    what can be found wrong without writing is found before the state file is made.
    """
    saved = _refuse(config, plan, choices)
    if choices.once and saved is not None and is_over(saved.state):
        return Outcome(exit_code(saved.state), saved.state)
    face = Face(State.begin(plan), Pulses())
    async with AsyncExitStack() as stack:
        edges = await _edges(config, profile, choices, face.source, stack)
        await stack.enter_async_context(serve_face(config, face))
        saved, store = _open_state(config, plan, choices)
        if store is not None:
            stack.callback(store.close)
        state, cursor = (saved.state, saved.cursor) if saved is not None else (State.begin(plan), None)
        face.daemon = daemon = Daemon(state, cursor, plan, replace(edges, save=_saver(store)), once=choices.once)
        if watch is not None:
            daemon.watchers.append(watch)
        with _signals(daemon) as received:
            code = await daemon.run()
        return Outcome(128 + received[0] if received else code, daemon.state)


def endpoints(config: Config, profile: Profile) -> dict[str, Endpoint]:
    """Where the repair of each stage is asked for."""
    return {
        stage.rules.name: Endpoint(config.url_of(stage.rules.name), stage.path, stage.answers)
        for stage in profile.stages
    }


def requester(config: Config, profile: Profile) -> RepairRequester:
    """The edge that sends repair requests, as configured."""
    return RepairRequester(
        endpoints(config, profile),
        timeout=config.kubecost.timeout.total_seconds(),
        headers=config.kubecost_headers(),
        ssl=_tls(config.kubecost.ca_file, insecure=config.kubecost.insecure_skip_tls_verify),
    )


# ---- the parts ------------------------------------------------------------------------------------------------------


def _refuse(config: Config, plan: Plan, choices: Choices) -> Saved | None:
    """Raise what speaks against this run, before anything is written; the saved run to go on with, if any."""
    path = config.state_path
    if not choices.dry_run:
        refuse_if_busy(path)  # before its port is found taken
    saved = None if choices.new_run or not path.exists() else read(path)
    if saved is not None:
        preflight.refuse_other_run(saved, plan, str(path))
    elif not choices.force:
        preflight.refuse_recent(plan, clock.now())
    return saved


def _open_state(config: Config, plan: Plan, choices: Choices) -> tuple[Saved | None, Store | None]:
    """The saved run to go on with, and the store; a dry run reads the state file and never writes it."""
    path = config.state_path
    if choices.dry_run:
        return None if choices.new_run or not path.exists() else read(path), None
    store = Store(path).open()
    try:
        saved = None if choices.new_run else store.load()
        if saved is None:
            store.begin(preflight.identity(plan), State.begin(plan))
        else:
            preflight.refuse_other_run(saved, plan, str(path))
    except BaseException:
        store.close()
        raise
    return saved, store


async def _edges(config: Config, profile: Profile, choices: Choices, pulses: Pulses, stack: AsyncExitStack) -> Edges:
    """Everything outside, made and checked; what must be closed is left to ``stack``."""
    from watcher.notify import Notifier

    notifier = Notifier(config.destinations())
    if problems := notifier.problems():
        raise ConfigError(*(f"{config.source}: notify: {problem}" for problem in problems))
    requests = requester(config, profile)
    stack.push_async_callback(requests.close)
    return Edges(
        source=await _source(config, pulses, stack),
        matcher=Scanner(Matcher(profile)),
        save=_saver(None),
        send=requests.send,
        tell=notifier.send,
        clock=clock.now,
        withhold=_withholder(requests) if choices.dry_run else None,
        longest=max(notifier.longest, config.kubecost.timeout.total_seconds()),
    )


async def _source(config: Config, pulses: Pulses, stack: AsyncExitStack) -> Source:
    logs = config.logs
    if logs.source == "kubernetes":
        from watcher.cluster import KubernetesSource, Rhythm

        shortest = config.shortest_patience()
        cluster = KubernetesSource(
            namespace=logs.namespace,
            deployment=logs.deployment,
            container=logs.container,
            kubeconfig=logs.kubeconfig,
            context=logs.context,
            rhythm=Rhythm.for_patience(shortest),
            clock=clock.now,
            pulses=pulses,
        )
        stack.push_async_callback(cluster.aclose)
        await cluster.open()
        return cluster
    from watcher.files import FileSource, StdinSource

    if logs.source == "stdin":
        return StdinSource(clock.now)
    return FileSource(_log_file(config), clock.now)


def _log_file(config: Config) -> Path:
    """The file to follow; it may come later, its folder must be there."""
    path = Path(config.logs.path or "")  # the configuration demands one
    if path.is_dir() or not path.absolute().parent.is_dir():
        what = "is a folder" if path.is_dir() else "lies in a folder that does not exist"
        message = f"{config.source}: logs.path: {path} {what}; name the file that Kubecost's log is written to"
        raise ConfigError(message)
    return path


def _withholder(requests: RepairRequester) -> Callable[[Request], str]:
    return lambda request: f"dry run: GET {requests.url(request.stage, request.window)} was not sent"


def _tls(ca_file: Path | None, *, insecure: bool) -> ssl.SSLContext | bool:
    if insecure:
        return False
    if ca_file is None:
        return True
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except OSError as error:
        message = f"{ca_file}: kubecost.ca_file: cannot be used ({error.strerror or error}); give a PEM file"
        raise ConfigError(message) from error


def _saver(store: Store | None) -> Save:
    """Saves in a thread, shielded: a slow disk must not stop the loop, a cancellation must not tear a save.

    A dry run (None) keeps nothing.
    """

    async def save(state: State, cursor: str | None, records: tuple[Record, ...]) -> None:
        if store is not None:
            await asyncio.shield(asyncio.to_thread(store.save, state, cursor, records))

    return save


# ---- signals --------------------------------------------------------------------------------------------------------


@contextmanager
def _signals(daemon: Daemon) -> Iterator[list[int]]:
    """SIGTERM and SIGINT end the daemon after its turn; a second one ends the process at once."""
    received: list[int] = []
    loop = asyncio.get_running_loop()

    def take(number: int) -> None:
        received.append(number)
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)
        log.info("%s: saving and leaving; a repair that runs in Kubecost goes on", signal.Signals(number).name)
        daemon.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, take, number)
    try:
        yield received
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
