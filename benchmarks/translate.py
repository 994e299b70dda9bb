"""The patterns of a profile in the dialects of its peers, as far as these can say them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from watcher.profile import Profile

_GROUP = re.compile(r"\(\?P<\w+>")
_ANY_CASE = re.compile(r"\(\?i:([^()]*)\)")


def extended(profile: Profile) -> list[str]:
    """Every pattern as a POSIX extended regex that ``grep -E``, ``rg`` and ``gawk`` read alike.

    A pattern's ``^`` means the beginning of the message; for peers, which know no envelopes, it becomes the blank that
    stands before the message.
    """
    return [_extended(pattern.expression.pattern) for pattern in profile.patterns]


def _extended(text: str) -> str:
    if "(?!" in text or "(?=" in text or "(?<" in text:
        message = f"{text!r} looks around, which the peers cannot"
        raise ValueError(message)
    text = _ANY_CASE.sub(lambda found: "".join(f"[{c.upper()}{c}]" if c.isalpha() else c for c in found[1]), text)
    text = _GROUP.sub("(", text).replace("(?:", "(")
    text = "".join(_translated(text)).replace("\u00b5", "[^ -~]+")  # a letter of two bytes, where bytes are read
    return re.sub(r"^\^", " ", text)


def _translated(text: str) -> Iterable[str]:
    """Classes by name into classes by range; inside brackets without brackets of their own."""
    inside = False
    at = 0
    while at < len(text):
        char = text[at : at + 2] if text[at] == "\\" else text[at]
        at += len(char)
        if char == "[" and not inside:
            inside = True
        elif char == "]" and inside:
            inside = False
        match char, inside:
            case ("\\d", True):
                yield "0-9"
            case ("\\d", False):
                yield "[0-9]"
            case ("\\w", True):
                yield "A-Za-z0-9_"
            case ("\\w", False):
                yield "[A-Za-z0-9_]"
            case ("\\S", False):
                yield "[^ \t]"
            case ("\\s", False):
                yield "[ \t]"
            case ("\\[", True):
                yield "\\["
            case ("\\-", _):
                yield "-"
            case _:
                yield char
