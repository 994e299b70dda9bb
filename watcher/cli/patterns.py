"""``watcher patterns test``: what the patterns make of their samples, or of a log."""

from __future__ import annotations

import json

import click

from watcher.cli.options import Settings, existing, global_options
from watcher.errors import ConfigError


@click.group()
def patterns() -> None:
    """Work on pattern files."""


@patterns.command()
@click.argument("log", required=False)
@click.option("--profile", help="A name in patterns/ or a path; default: the configuration's, else every shipped one.")
@click.option("--print-missed", is_flag=True, help="List every line that no pattern matched.")
@global_options
@click.pass_obj
def test(settings: Settings, log: str | None, profile: str | None, *, print_missed: bool) -> int:
    """Prove every sample, then show what the patterns make of LOG: hits, misses, near misses and where they stopped."""
    from watcher.patterncheck import as_document, as_text, check_patterns
    from watcher.profile import load_profile

    if log is not None and log != "-":
        existing(log)
    reports = [
        check_patterns(load_profile(name), log, print_missed=print_missed) for name in _chosen(settings, profile)
    ]
    if settings.output == "json":
        documents = [as_document(report) for report in reports]
        click.echo(json.dumps(documents[0] if len(documents) == 1 else documents, ensure_ascii=False, indent=2))
    else:
        click.echo("\n\n".join(as_text(report).rstrip() for report in reports))
    for warning in sorted({warning for report in reports for warning in report.warnings}):
        click.echo(f"watcher: warning: {warning}", err=True)
    return 0


def _chosen(settings: Settings, profile: str | None) -> list[str]:
    """The profile that was named, else the configuration's, else (nothing is configured) all that are shipped."""
    from watcher.profile import shipped_profiles

    if profile is not None:
        return [profile]
    if settings.config is None:
        try:
            return [settings.load_config().load_profile().file]
        except ConfigError:
            return shipped_profiles()
    return [settings.load_config().load_profile().file]


COMMANDS = {"patterns": patterns}
