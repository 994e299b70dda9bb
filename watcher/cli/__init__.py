"""The commands and their exit codes; nothing is decided here."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from watcher.cli.options import EX_USAGE, Settings, global_options
from watcher.errors import ConfigError, WatcherError

# One line a command; the module that holds it is loaded only when it is called, so that ``version`` stays quick.
COMMANDS = {
    "run": ("watcher.cli.run", "Follow the log, track every day, request the next repair, tell people."),
    "plan": ("watcher.cli.offline", "Show every request that would be sent, in order; send nothing."),
    "replay": ("watcher.cli.offline", "Read recorded logs the way the daemon would; send nothing."),
    "simulate": ("watcher.cli.simulate", "Run against an embedded Kubecost: the quick start without a cluster."),
    "check": ("watcher.cli.offline", "Check the configuration and every pattern file with its samples."),
    "patterns": ("watcher.cli.patterns", "Work on pattern files."),
    "status": ("watcher.cli.status", "Show the status of a running daemon or of the state file."),
    "notify": ("watcher.cli.notify", "Work on notifications."),
    "version": ("watcher.cli.offline", "Show the version, Python, and the profiles shipped."),
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = __import__(COMMANDS[cmd_name][0], fromlist=["COMMANDS"])
        command: click.Command = module.COMMANDS[cmd_name]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@global_options
def cli() -> None:
    r"""An unattended repair daemon for Kubecost: it reads the log, knows when a stage is done, requests the next.

    \b
    Exit codes: 0 done, 1 the run failed, 2 usage, 3 finished but some days are skipped, empty, unclear or
    still open, 4 refused before anything was sent, 5 aborted by a person, 75 temporary, try again,
    78 bad or missing configuration, pattern file or state file, 130/143 ended by SIGINT/SIGTERM.
    """


def main(args: Sequence[str] | None = None) -> None:
    """Run a command and leave the process with its exit code; every error is one line on stderr."""
    sys.exit(invoke(args))


def invoke(args: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    try:
        outcome: Any = cli.main(args=args, prog_name="watcher", standalone_mode=False, obj=Settings())
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        return 130
    except KeyboardInterrupt:
        return 130
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "watcher"
        _complain(f"{' '.join(error.format_message().split())} See '{where} --help'.")
        return EX_USAGE
    except ConfigError as error:
        for problem in error.problems:
            _complain(problem)
        return error.exit_code
    except WatcherError as error:
        _complain(str(error))
        return error.exit_code
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return outcome if isinstance(outcome, int) else 0


def _complain(problem: str) -> None:
    sys.stderr.write(f"watcher: {problem}\n")
