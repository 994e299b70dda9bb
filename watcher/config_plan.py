"""Joins a configuration with its profile: what the core is to do, and what the two say that cannot go together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Protocol
from urllib.parse import urlsplit

from watcher.config_model import ConfigShape, NotifyEntry, RunPatience, StageOptions
from watcher.config_problems import nearest
from watcher.config_yaml import Place
from watcher.core.plan import Destination, Patience, Plan, StagePlan, StageRules

DEFAULT_QUIET = timedelta(minutes=5)


class PipelineOfProfile(Protocol):
    """What is needed to know of one stage of a profile."""

    @property
    def rules(self) -> StageRules:
        """How its pipeline behaves."""


class ProfileOfPlan(Protocol):
    """What is needed to know of a profile (``watcher.profile.Profile`` is one)."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def stages(self) -> Sequence[PipelineOfProfile]:
        """In the order of the repair."""


def own_problems(config: ConfigShape) -> Iterator[tuple[Place, str]]:
    """What does not go together in a configuration by itself: where, and what to do."""
    logs, kubecost = config.logs, config.kubecost
    if logs.source == "file" and logs.path is None:
        yield ("logs", "path"), "is missing; logs.source is file, so say which"
    if logs.source != "file" and logs.path is not None:
        yield ("logs", "path"), f"is not read, because logs.source is {logs.source}; set source: file or remove path"
    if kubecost.ca_file is not None and kubecost.insecure_skip_tls_verify:
        yield ("kubecost", "ca_file"), "has no effect with insecure_skip_tls_verify: true; keep one of the two"
    for index, stage in enumerate(config.stages or []):
        if stage in (config.stages or [])[:index]:
            yield ("stages", index), f"{stage!r} stands twice; a stage is repaired once in a run"
    names: set[str] = set()
    for index, entry in enumerate(config.notify):
        if (entry.url is None) == (entry.url_file is None):
            both = "has both url and url_file; keep one" if entry.url else "has no url_file (or url); add one"
            yield ("notify", index), both
        if entry.name is not None and entry.name in names:
            yield ("notify", index, "name"), f"{entry.name!r} is the name of another destination; choose another"
        names.add(entry.name or "")


def joint_problems(config: ConfigShape, profile: ProfileOfPlan) -> Iterator[tuple[Place, str]]:
    """What a configuration asks for that the profile does not have."""
    known = {stage.rules.name: stage.rules for stage in profile.stages}
    for index, name in enumerate(config.stages or []):
        if name not in known:
            yield ("stages", index), f"{name!r} is no stage of profile {profile.name}; {nearest(name, known)}"
    for name, options in config.stage_options.items():
        if name not in known:
            yield ("stage_options", name), f"is no stage of profile {profile.name}; {nearest(name, known)}"
            continue
        if options.wait_hourly and not known[name].hourly:
            yield ("stage_options", name, "wait_hourly"), f"{name} has no hourly store; remove it"
        if options.providers and not known[name].per_provider:
            yield ("stage_options", name, "providers"), f"{name} does not work by provider; remove it"


def make_plan(config: ConfigShape, profile: ProfileOfPlan) -> Plan:
    """The plan of a configuration that has no ``joint_problems`` with its profile."""
    rules = {stage.rules.name: stage.rules for stage in profile.stages}
    days = list(config.window.days())
    return Plan(
        name=config.name or f"repair of {days[0]} to {days[-1]}",
        profile=profile.name,
        window=config.window,
        stages=tuple(_stage(config, rules[name]) for name in config.stages or rules),
        max_attempts=config.max_attempts,
        blind=config.patience.blind,
        destinations=tuple(
            Destination(name, frozenset(entry.events))
            for name, entry in zip(destination_names(config.notify), config.notify, strict=True)
        ),
    )


def _stage(config: ConfigShape, rules: StageRules) -> StagePlan:
    options = config.stage_options.get(rules.name, StageOptions())
    return StagePlan(
        rules=rules,
        patience=_patience(config.patience, options, rules),
        chunk_days=options.chunk_days or config.chunk_days,
        providers=frozenset(options.providers),
        wait_hourly=options.wait_hourly,
    )


def _patience(run: RunPatience, stage: StageOptions, rules: StageRules) -> Patience:
    """The stage's own word wins over the run's, the run's over the profile's, the profile's over the default."""
    own = stage.patience
    return Patience(
        start=own.start or run.start,
        day=own.day or run.day,
        quiet=own.quiet or run.quiet or rules.quiet or DEFAULT_QUIET,
    )


def destination_names(entries: Sequence[NotifyEntry]) -> tuple[str, ...]:
    """A name for every destination, in order, unique and free of secrets.

    It is stored with messages that wait, so it comes from what stays: the given name, the name of the secret file, or
    the scheme of the URL; a number behind it where that is taken.
    """
    given = {entry.name for entry in entries if entry.name}
    names: list[str] = []
    for entry in entries:
        if entry.name:
            names.append(entry.name)
            continue
        stem = _stem(entry)
        taken = given | set(names)
        names.append(next(name for name in _numbered(stem) if name not in taken))
    return tuple(names)


def _stem(entry: NotifyEntry) -> str:
    if entry.url_file is not None:
        return entry.url_file.stem or "file"
    scheme = urlsplit(entry.url.get_secret_value()).scheme if entry.url else ""
    return scheme or "url"


def _numbered(stem: str) -> Iterator[str]:
    yield stem
    number = 1
    while True:
        number += 1
        yield f"{stem}-{number}"
