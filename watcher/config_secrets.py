"""Reads the files that hold secrets. What is in them never appears in an error."""

from __future__ import annotations

import re
from pathlib import Path

from watcher.errors import ConfigError

LARGEST = 1 << 16  # bytes; a token is a line
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*:[ \t]*(\S(?:.*\S)?)[ \t]*")


def read_secret(path: Path, key: str) -> str:
    """The one line that a secret file holds, without the blanks around it; ``key`` is named in the ConfigError."""
    lines = _lines(path, key)
    if len(lines) != 1:
        raise ConfigError(
            f"{path}: {key}: holds {len(lines) or 'no'} lines of text; one line with the secret is needed"
        )
    return lines[0]


def read_headers(path: Path, key: str) -> dict[str, str]:
    """The HTTP headers of a file, ``NAME: VALUE`` line by line; lines that begin with ``#`` are comments."""
    headers: dict[str, str] = {}
    for number, line in enumerate(_text(path, key).splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = _HEADER.fullmatch(line)
        if found is None or not found[2].isprintable():
            raise ConfigError(f"{path}:{number}: {key}: is no header; write NAME: VALUE, for instance Authorization: …")
        headers[found[1]] = found[2]
    return headers


def _text(path: Path, key: str) -> str:
    """The text of a secret file."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ConfigError(f"{path}: {key}: is larger than {LARGEST >> 10} KiB; this is no secret file")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"{path}: {key}: cannot be read ({error.strerror or error}); mount it or correct it"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: {key}: is not UTF-8 text; save it as UTF-8") from error


def _lines(path: Path, key: str) -> list[str]:
    return [line.strip() for line in _text(path, key).splitlines() if line.strip()]
