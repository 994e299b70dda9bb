"""The commands together, as ``click`` sees them."""

from __future__ import annotations

import importlib

import click

from watcher.cli.options import global_options
from watcher.cli.words import COMMANDS, help_text


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = module.COMMANDS[cmd_name]
        return command

    def get_help(self, ctx: click.Context) -> str:  # noqa: ARG002
        return help_text().rstrip("\n")


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@global_options
def cli() -> None:
    """Everything the program can do; see ``words.py``."""
