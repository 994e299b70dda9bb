"""Which text must stand in every line that a regex matches: a cheap question to ask before the regex is run.

Reads only the plainest part of a regex, its outermost sequence of characters, and gives up where anything could make
that part optional. None is always a right answer; a text is right because every match holds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_MIN_LENGTH = 3  # shorter ones are in nearly every line
_ODD_GROUP = re.compile(r"\(\?[^:=!<>P]")  # flags, comments, calls: they reach beyond their own brackets
_CLASS_ESCAPES = frozenset("dDwWsSbBAZ")
_QUANTIFIER = re.compile(r"(?:[?*+]|\{[^{}]*\})[?+]?")


class _NotPlainError(Exception):
    """The regex holds something that this reader does not know."""


def required_literal(regex: str) -> str | None:
    """The longest text that every match of ``regex`` must hold, None where none is plain to see."""
    if _ODD_GROUP.search(regex):
        return None
    try:
        best = max(_runs(regex), key=len)
    except _NotPlainError:
        return None
    return best if len(best) >= _MIN_LENGTH else None


def _runs(regex: str) -> Iterator[str]:
    """The stretches of plain characters in the outermost sequence, in order."""
    run, at = "", 0
    while at < len(regex):
        char, end = _atom(regex, at)
        quantifier = _QUANTIFIER.match(regex, end)
        if char is None or quantifier is not None:
            yield run
            run = ""
        else:
            run += char
        at = quantifier.end() if quantifier is not None else end
    yield run


def _atom(regex: str, at: int) -> tuple[str | None, int]:
    """One element of the sequence: its character ("" for an edge, None for what is not plain) and where it ends."""
    match regex[at]:
        case "\\":
            return _escaped(regex[at + 1 : at + 2]), at + 2
        case "[":
            return None, _class_end(regex, at)
        case "(":
            return None, _group_end(regex, at)
        case "^" | "$":
            return "", at + 1
        case ".":
            return None, at + 1
        case "|" | ")" | "?" | "*" | "+" | "{":
            raise _NotPlainError
        case char:
            return char, at + 1


def _escaped(char: str) -> str | None:
    if char and char.isascii() and not char.isalnum():
        return char
    if char in _CLASS_ESCAPES:
        return None
    raise _NotPlainError


def _class_end(regex: str, at: int) -> int:
    at += 2 if regex[at + 1 : at + 2] == "^" else 1
    at += 1 if regex[at : at + 1] == "]" else 0
    while at < len(regex):
        match regex[at]:
            case "]":
                return at + 1
            case "[":  # a set inside a set
                raise _NotPlainError
            case "\\":
                at += 2
            case _:
                at += 1
    raise _NotPlainError


def _group_end(regex: str, at: int) -> int:
    at += 1
    while at < len(regex):
        match regex[at]:
            case ")":
                return at + 1
            case "(":
                at = _group_end(regex, at)
            case "[":
                at = _class_end(regex, at)
            case "\\":
                at += 2
            case _:
                at += 1
    raise _NotPlainError
