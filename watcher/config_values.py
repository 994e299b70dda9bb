"""The values of a configuration that are more than words and numbers: windows, durations, addresses, paths."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PlainSerializer

from watcher.core.window import MOMENT, Window, parse_window

HIGHEST_PORT = 65535
SHORTEST_DURATION = timedelta(seconds=1)

_DURATION = re.compile(r"(\d{1,6})([smhd])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LISTEN = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\s:/\[\]]*):(?P<port>\d{1,5})", re.ASCII)


def _window(value: object) -> object:
    if isinstance(value, Window):
        return value
    return parse_window(value if isinstance(value, str) else "")


def _duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        message = "is not a duration; write it like 90s, 10m, 2h or 1d"
        raise ValueError(message)
    duration = timedelta(**{_UNITS[found[2]]: int(found[1])})
    if duration < SHORTEST_DURATION:
        message = "is shorter than 1s, the shortest that is accepted; write 1s or more"
        raise ValueError(message)
    return duration


def _listen(value: object) -> object:
    found = _LISTEN.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        message = "is not HOST:PORT; write it like 127.0.0.1:8080, [::1]:8080 or :8080, or null for none"
        raise ValueError(message)
    if int(found["port"]) > HIGHEST_PORT:
        message = f"names a port that does not exist; ports end at {HIGHEST_PORT}"
        raise ValueError(message)
    return value


def _base_url(value: object) -> object:
    """Without the slash at its end, so that a path can follow."""
    if not isinstance(value, str):
        message = "is not an address; write it like http://kubecost-cost-analyzer:9090/model"
        raise ValueError(message)  # noqa: TRY004  pydantic turns ValueError into a problem of this key
    address = value.strip()
    try:
        parts = urlsplit(address)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port or an IPv6 address that is none
        usable = False
    if not usable:
        message = "is not an http:// or https:// address; write it like http://kubecost-cost-analyzer:9090/model"
        raise ValueError(message)
    if "?" in address or "#" in address:
        message = "has a query or a fragment; give the address alone, the path of each repair is the profile's"
        raise ValueError(message)
    return address.rstrip("/")


def _path(value: object) -> object:
    if isinstance(value, Path):
        return value
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        message = "is not a path; write the name of a file"
        raise ValueError(message)
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        message = f"{value}: nobody here has such a home; write the whole path"
        raise ValueError(message) from error


def spell_duration(duration: timedelta) -> str:
    """A duration as configurations write it, in the largest unit that divides it: ``90s``, ``10m``, ``2h``, ``1d``."""
    seconds = int(duration.total_seconds())
    for letter, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % size == 0:
            return f"{seconds // size}{letter}"
    return f"{seconds}s"


def _matching(pattern: str) -> object:
    return Annotated[str, Field(pattern=pattern)]


WindowText = Annotated[
    Window,
    BeforeValidator(_window, json_schema_input_type=_matching(f"^{MOMENT},{MOMENT}$")),
    PlainSerializer(str),
]
Duration = Annotated[
    timedelta,
    BeforeValidator(_duration, json_schema_input_type=_matching(r"^\d{1,6}[smhd]$")),
    PlainSerializer(spell_duration),
]
ListenAddress = Annotated[str, BeforeValidator(_listen, json_schema_input_type=_matching(r":\d{1,5}$"))]
BaseUrl = Annotated[str, BeforeValidator(_base_url, json_schema_input_type=_matching("^https?://"))]
FilePath = Annotated[Path, BeforeValidator(_path, json_schema_input_type=str), PlainSerializer(str)]
