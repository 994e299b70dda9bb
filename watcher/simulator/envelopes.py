"""How Kubecost wraps a message into a line: klog, zerolog's console with and without colours, JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from enum import StrEnum

from watcher.simulator.framing import NANO


class Level(StrEnum):
    """Levels as zerolog's console prints them; ``NONE`` is a line without level."""

    DEBUG = "DBG"
    INFO = "INF"
    WARNING = "WRN"
    ERROR = "ERR"
    NONE = "???"


class Envelope(StrEnum):
    """The forms a line can have."""

    CONSOLE = "console"
    COLOUR = "colour"
    JSON = "json"
    KLOG = "klog"


_COLOURS = {
    Level.DEBUG: "\x1b[33mDBG\x1b[0m",
    Level.INFO: "\x1b[32mINF\x1b[0m",
    Level.WARNING: "\x1b[31mWRN\x1b[0m",
    Level.ERROR: "\x1b[1m\x1b[31mERR\x1b[0m\x1b[0m",
    Level.NONE: "\x1b[1m???\x1b[0m",
}
_JSON_LEVELS = {Level.DEBUG: "debug", Level.INFO: "info", Level.WARNING: "warn", Level.ERROR: "error"}
_KLOG = {
    Level.DEBUG: ("I", 52, "[Debug] "),
    Level.INFO: ("I", 47, "[Info] "),
    Level.WARNING: ("I", 32, "[Warning] "),
    Level.ERROR: ("E", 17, "[Error] "),
    Level.NONE: ("I", 47, "[Info] "),
}
_KLOG_PROFILER_LINE = 62


def rfc3339_nano(stamp: int) -> str:
    """Go's ``RFC3339Nano``: the fraction without trailing zeros, none at all for a whole second."""
    text = datetime.fromtimestamp(stamp // NANO, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{stamp % NANO:09d}".rstrip("0")
    return f"{text}.{fraction}Z" if fraction else f"{text}Z"


def wrap(envelope: Envelope, stamp: int, level: Level, message: str) -> bytes:
    """``message`` as the line Kubecost would write at ``stamp`` (ns since 1970)."""
    match envelope:
        case Envelope.CONSOLE:
            return f"{rfc3339_nano(stamp)} {level} {message}".encode()
        case Envelope.COLOUR:
            return f"\x1b[90m{rfc3339_nano(stamp)}\x1b[0m {_COLOURS[level]} {message}".encode()
        case Envelope.JSON:
            fields = {"level": _JSON_LEVELS[level]} if level in _JSON_LEVELS else {}
            fields |= {"time": rfc3339_nano(stamp), "message": message}
            return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
        case Envelope.KLOG:
            letter, line, tag = _KLOG[level]
            if message.startswith("[Profiler]"):
                line, tag = _KLOG_PROFILER_LINE, ""
            moment = datetime.fromtimestamp(stamp // NANO, UTC).strftime("%m%d %H:%M:%S")
            micros = stamp % NANO // 1000
            return f"{letter}{moment}.{micros:06d}       1 log.go:{line}] {tag}{message}".encode()
