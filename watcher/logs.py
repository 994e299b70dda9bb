"""The daemon's own log: text for people, one JSON object a line for machines. Always on stderr, always in UTC."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from watcher.core.commands import Record

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")


def set_up(level: str, form: str) -> None:
    """Send everything of this program to stderr; the libraries only from ``warning`` on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("watcher").setLevel(level.upper())


def silence() -> None:
    """Leave the terminal to a live display: only warnings of our own pass."""
    logging.getLogger("watcher").setLevel(logging.WARNING)


def _stamp(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        text = f"{_stamp(record)} {record.levelname:<7} {record.getMessage()}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "ts": _stamp(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "msg": record.getMessage(),
        }
        entry = getattr(record, "record", None)
        if isinstance(entry, Record):
            fields["event"] = entry.kind
            for name in ("stage", "before", "after", "evidence"):
                if getattr(entry, name) is not None:
                    fields[name] = getattr(entry, name)
            if entry.day is not None:
                fields["day"] = entry.day.isoformat()
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)
