"""Options that every command takes, before or after its name, and what they add up to."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from watcher.config import Config
    from watcher.core.plan import Plan
    from watcher.core.window import Window
    from watcher.profile import Profile

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Settings:
    """What the global options said; an option after the command wins."""

    log_level: str = os.environ.get("LOG_LEVEL", "info").lower()
    log_format: str = os.environ.get("LOG_FORMAT", "text").lower()
    config: str | None = None
    output: str = "table"

    def load_config(self) -> Config:
        """The configuration; raises ConfigError."""
        from watcher.config import find_config, load_config

        return load_config(find_config(self.config, os.environ), os.environ)

    def load_plan(self) -> tuple[Config, Profile, Plan]:
        """The configuration, its profile, and the plan that they make; raises ConfigError."""
        config = self.load_config()
        profile = config.load_profile()
        return config, profile, config.plan(profile)

    def log(self) -> None:
        """Begin to log as asked for."""
        from watcher.logs import set_up

        set_up(self.log_level, self.log_format)


_OPTIONS = (
    click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="Default: info."),
    click.option("--log-format", type=click.Choice(["text", "json"]), help="Default: text."),
    click.option(
        "-f",
        "--config",
        type=click.Path(),
        help="Default: $WATCHER_CONFIG, ./config.yaml, /etc/watcher/config.yaml.",
    ),
    click.option("-o", "--output", type=click.Choice(["table", "json"]), help="Default: table."),
)


def global_options(command: F) -> F:
    """Give a command the global options; it finds them in ``Settings`` (``click.pass_obj``)."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  click passes what the options are
        settings: Settings = click.get_current_context().obj
        for name in ("log_level", "log_format", "config", "output"):
            value = kwargs.pop(name)
            if value is not None:
                setattr(settings, name, value)
        return command(*args, **kwargs)

    decorated: Any = wrapper
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated  # type: ignore[no-any-return]


class WindowType(click.ParamType[Any]):
    """``--window``: the same form and the same checks as in the configuration."""

    name = "START,END"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Window:
        """The window; fails as a usage error."""
        from watcher.core.window import parse_window

        try:
            return parse_window(str(value))
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


def existing(path: str) -> Path:
    """``path`` if there is a file, else a usage error."""
    try:
        is_file = Path(path).is_file()
    except OSError as error:
        raise click.UsageError(f"{path}: cannot be read ({error.strerror}).") from error
    if not is_file:
        raise click.UsageError(f"{path}: there is no such file.")
    return Path(path)
