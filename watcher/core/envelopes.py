"""What stands around a log message: who wrote it, when, how loud. Taken off, so that patterns see only messages.

A line passes through several hands, and each may put something in front: the program itself (klog, zerolog on a
console, JSON, or only a level), the container runtime (a stamp), the tool that fetched the log (``kubectl --prefix``,
stern), the terminal it was copied from (colours, frames). They come off from the outside in, in whatever order.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime

TRACE, DEBUG, INFO, WARNING, ERROR, FATAL = "trace", "debug", "info", "warning", "error", "fatal"
LEVELS = (TRACE, DEBUG, INFO, WARNING, ERROR, FATAL)
INFO_OR_LOWER = frozenset({TRACE, DEBUG, INFO})

_WORDS = {
    TRACE: "trc trace",
    DEBUG: "dbg debug",
    INFO: "inf info",
    WARNING: "wrn warn warning",
    ERROR: "err error",
    FATAL: "ftl fatal pnc panic",
}
_LEVEL_OF = {word: level for level, words in _WORDS.items() for word in words.split()}
_CODES = {code: _LEVEL_OF.get(code.lower()) for code in ("TRC", "DBG", "INF", "WRN", "ERR", "FTL", "PNC", "???")}
_KLOG_LETTER = {"I": INFO, "W": WARNING, "E": ERROR, "F": FATAL}

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_FRAME = "".join(map(chr, range(0x2500, 0x2580)))  # box drawing, as terminal programs put around a log
_BLANKS = " \t\r\n\v\f"
_FRAMED = re.compile(rf"[{_FRAME}]+ ?")

# ``Z07:00`` is Go's own layout text; it stands in documentation where a zone would.
_DIGITS = "[0-9][0-9]"  # quicker than \d, which asks Unicode
_STAMP = (
    rf"({_DIGITS}{_DIGITS}-{_DIGITS}-{_DIGITS}T{_DIGITS}:{_DIGITS}:{_DIGITS}(?:\.[0-9]{{1,9}})?"
    rf"(?:Z(?:{_DIGITS}:{_DIGITS})?|[+-]{_DIGITS}:?{_DIGITS}))"
)
_LEVEL = r"(?P<level>TRC|DBG|INF|WRN|ERR|FTL|PNC|\?\?\?)"
_TAG = r"\[(?P<tag>Trace|Debug|Info|Warning|Error|Fatal|Panic)\]:?(?:[ \t]|$)"

# A stamp is the program's own where its level follows, else the runtime's; two in a row are the most usual envelope.
_STAMPED = re.compile(rf"{_STAMP}(?: (?:{_STAMP} )?{_LEVEL}(?: |$)| (?:stdout|stderr) [FP](?: |$)| |$)")
# The most usual line and nothing else, for many lines at once; of any other line all is in the last group.
_USUAL = re.compile(rf"^(?:{_STAMP} (?:{_STAMP} )?{_LEVEL} (.*)|(.*))$", re.MULTILINE)
_CONSOLE = re.compile(rf"(?:<nil> )?{_LEVEL}(?: |$)")
_KLOG = re.compile(rf"(?P<letter>[IWEF])\d{{4}} \d\d:\d\d:\d\d\.\d+ +\d+ [^\s\]]+:\d+\](?: |$)(?:{_TAG})?")
_TAGGED = re.compile(_TAG)

_LABEL = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_NAME = rf"{_LABEL}(?:\.{_LABEL})*"
_KUBECTL_PREFIX = re.compile(rf"\[pod/{_NAME}/{_LABEL}\](?: |$)")
_BRACKET_PREFIX = re.compile(rf"\[{_NAME} {_LABEL}\](?: |$)")
_ARROW_PREFIX = re.compile(rf"(?:{_NAME} )?{_NAME} \u203a {_LABEL} \u2502(?: |$)")
# Two bare words could begin any message. They count as a prefix where the first looks like the name of a pod that a
# controller made (…-<hash>-<five letters>, …-<ordinal>), or where the program's own envelope follows them.
_POD = rf"{_NAME}-(?:[a-z0-9]{{6,10}}-[a-z0-9]{{5}}|[bcdfghjklmnpqrstvwxz2456789]{{5}}|\d{{1,4}})"
_POD_PREFIX = re.compile(rf"(?:{_LABEL} )?{_POD} {_LABEL}(?: |$)")
_HEAD = rf"(?:{_STAMP} |(?:TRC|DBG|INF|WRN|ERR|FTL|PNC|\?\?\?) |[IWEF]\d{{4}} \d\d:|\{{\")"
_WORDS_PREFIX = re.compile(rf"(?:{_LABEL} )?{_NAME} {_LABEL} (?={_HEAD})")
_BRACKET_PREFIXES = (_KUBECTL_PREFIX, _BRACKET_PREFIX)
_NAME_PREFIXES = (_ARROW_PREFIX, _POD_PREFIX, _WORDS_PREFIX)

# What a line may begin with, asked first: most lines begin with none of these, and a regex costs more than a look.
_OWN_BEGINNINGS = frozenset("<TDIWEFP?")
_NAME_BEGINNINGS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
_FRAME_CHARS = frozenset(_FRAME)
_STRIPPED = frozenset(_BLANKS + _FRAME)
_DIGIT = frozenset("0123456789")

_MAX_LAYERS = 8  # a line that is wrapped more often than that was made to be


class Envelope:
    """A message without its envelope, and what the envelope said.

    ``level`` is one of ``LEVELS``, None where none was stated. ``at`` is the stamp that the program wrote (klog writes
    no year: None), ``runtime_at`` the container runtime's; both are aware, in UTC, cut to microseconds. They may be
    given as they stand in the line: most are never asked for, and are read when they are.
    """

    __slots__ = ("_at", "_runtime_at", "level", "message")

    def __init__(
        self,
        message: str,
        level: str | None = None,
        at: datetime | str | None = None,
        runtime_at: datetime | str | None = None,
    ) -> None:
        self.message = message
        self.level = level
        self._at = at
        self._runtime_at = runtime_at

    @property
    def at(self) -> datetime | None:
        """The program's own stamp, None where there is none or it is no time."""
        return stamp(self._at) if isinstance(self._at, str) else self._at

    @property
    def runtime_at(self) -> datetime | None:
        """The container runtime's stamp, None where there is none or it is no time."""
        return stamp(self._runtime_at) if isinstance(self._runtime_at, str) else self._runtime_at

    def parts(self) -> Parts:
        """What it was made from."""
        return self.message, self.level, self._at, self._runtime_at

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Envelope):
            return NotImplemented
        return self._said() == other._said()

    def __hash__(self) -> int:
        return hash(self._said())

    def __repr__(self) -> str:
        return f"Envelope{self._said()!r}"

    def _said(self) -> tuple[str, str | None, datetime | None, datetime | None]:
        return self.message, self.level, self.at, self.runtime_at


Parts = tuple[str, str | None, datetime | str | None, datetime | str | None]
"""What ``Envelope`` is made from."""


def unwrap_lines(text: str) -> Iterator[Parts]:
    """What ``unwrap`` says of each line of ``text``, at half its price; only a newline ends a line."""
    if "\x1b" in text:
        yield from map(_parts, text.split("\n"))
        return
    for outer, own, code, message, other in _USUAL.findall(text):
        if not code:
            yield _parts(other)
            continue
        if message[-1:] in _STRIPPED:
            message = _without_end(message)  # noqa: PLW2901
        if own:
            yield message, _CODES[code], own, outer
        else:
            yield message, _CODES[code], outer, None


def _parts(line: str) -> Parts:
    return unwrap(line).parts()


def _without_end(line: str) -> str:
    return line.rstrip(_BLANKS + _FRAME if line[-1] in _FRAME_CHARS else _BLANKS)


def unwrap(line: str) -> Envelope:
    """Take every known envelope off ``line``. Never fails: what is not understood is the message."""
    if "\x1b" in line:
        line = _ANSI.sub("", line)
    if line[-1:] in _STRIPPED:
        line = _without_end(line)
    runtime: str | None = None
    for _ in range(_MAX_LAYERS):
        first = line[:1]
        if first in _DIGIT and (stamped := _STAMPED.match(line)) is not None:
            outer, own, level = stamped.groups()
            line = line[stamped.end() :]
            if level is not None and own is None:
                return Envelope(line, _CODES[level], outer, runtime)
            if runtime is None or stamp(runtime) is None:
                runtime = outer
            if level is not None:
                return Envelope(line, _CODES[level], own, runtime)
            continue
        envelope = _own(first, line, runtime)
        if envelope is not None:
            return envelope
        prefix = _outer(first, line)
        if prefix == 0:
            break
        line = line[prefix:]
    return Envelope(line, None, None, runtime)


def stamp(text: str) -> datetime | None:
    """An RFC 3339 stamp with up to nine digits of fraction as UTC, cut to microseconds; None where it is no time."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is UTC:
            return moment
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _own(first: str, line: str, runtime: str | None) -> Envelope | None:
    """The program's own envelope, where it has no stamp in front; None where ``line`` does not begin with one."""
    if first == "{":
        return _from_json(line, runtime)
    if first == "[":
        found = _TAGGED.match(line)
        return Envelope(line[found.end() :], _LEVEL_OF[found["tag"].lower()], None, runtime) if found else None
    if first in _OWN_BEGINNINGS:
        found = _CONSOLE.match(line)
        if found is not None:
            return Envelope(line[found.end() :], _CODES[found["level"]], None, runtime)
        found = _KLOG.match(line)
        if found is not None:
            level = _LEVEL_OF[found["tag"].lower()] if found["tag"] else _KLOG_LETTER[found["letter"]]
            return Envelope(line[found.end() :], level, None, runtime)
    return None


def _from_json(line: str, runtime: str | None) -> Envelope | None:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    message = said.get("message", said.get("msg"))
    if not isinstance(message, str):
        return None
    level, at = said.get("level"), said.get("time", said.get("ts"))
    return Envelope(
        message.rstrip(_BLANKS),
        _LEVEL_OF.get(level.lower()) if isinstance(level, str) else None,
        at if isinstance(at, str) else None,
        runtime,
    )


def _outer(first: str, line: str) -> int:
    """How many characters at the head of ``line`` some tool put there; 0 for none."""
    if first == "[":
        prefixes: tuple[re.Pattern[str], ...] = _BRACKET_PREFIXES
    elif first in _NAME_BEGINNINGS:
        prefixes = _NAME_PREFIXES
    elif first in _FRAME_CHARS:
        prefixes = (_FRAMED,)
    else:
        return 0
    for prefix in prefixes:
        found = prefix.match(line)
        if found is not None:
            return found.end()
    return 0
