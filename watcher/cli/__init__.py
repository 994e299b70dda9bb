"""The commands and their exit codes; nothing is decided here.

Nothing is loaded here either, but what an error needs: two questions are answered before ``click`` would be there.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence

from watcher import __version__
from watcher.cli.words import COMMANDS, NAME, help_text

__all__ = ["COMMANDS", "invoke", "main", "version_text"]

EX_USAGE = 2
EX_TEMPFAIL = 75
EX_CONFIG = 78
EX_INTERRUPTED = 130
EX_TERMINATED = 143


def main(args: Sequence[str] | None = None) -> None:
    """Run a command and leave the process with its exit code; every error is one line on stderr."""
    # As process 1 of a container we would not even end by it; the daemon puts a gentler way out in its place.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EX_TERMINATED))
    sys.exit(invoke(args))


def invoke(args: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that lacks a sign gets another one, and no traceback
    try:
        code = _answer(list(sys.argv[1:] if args is None else args))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return EX_INTERRUPTED
    except BrokenPipeError:
        _discard_output()
        return 0
    except OSError as error:
        return _complain_of_system(error)
    return code


def version_text() -> str:
    """What ``watcher version`` prints."""
    from watcher.shipped import shipped_profiles

    return f"{NAME} {__version__} (Python {sys.version.split()[0]})\nprofiles: {', '.join(shipped_profiles())}\n"


def _answer(args: list[str]) -> int:
    match args:
        case ["--help" | "-h"]:
            sys.stdout.write(help_text())
        case []:
            sys.stderr.write(help_text())
            return EX_USAGE
        case ["version"]:
            sys.stdout.write(version_text())
        case _:
            return _run(args)
    return 0


def _run(args: list[str]) -> int:
    import click

    from watcher.cli.group import cli
    from watcher.cli.options import Settings
    from watcher.errors import ConfigError, WatcherError

    try:
        outcome: object = cli.main(args=args, prog_name=NAME, standalone_mode=False, obj=Settings())
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort:
        return EX_INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        sys.stderr.write(f"{error.format_message()}\n")
        return EX_USAGE
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else NAME
        _complain(f"{' '.join(error.format_message().split()).rstrip('.')}. See '{where} --help'.")
        return EX_USAGE
    except ConfigError as error:
        for problem in error.problems:
            _complain(problem)
        return error.exit_code
    except WatcherError as error:
        _complain(str(error))
        return error.exit_code
    return outcome if isinstance(outcome, int) else 0


def _complain(problem: str) -> None:
    sys.stderr.write(f"{NAME}: {problem}\n")


def _complain_of_system(error: OSError) -> int:
    """What the system refused and nobody else had words for: a path out of reach, an output that is full."""
    said = error.strerror or str(error) or type(error).__name__
    if error.filename is None:
        _discard_output()
        _complain(f"standard output: cannot be written ({said}); make room, or write to another place")
        return EX_TEMPFAIL
    _complain(f"{error.filename!s}: cannot be used ({said}); name a path that this user may use")
    return EX_CONFIG


def _discard_output() -> None:
    """What is still to be written goes nowhere: Python would try again when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
