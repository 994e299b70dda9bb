"""Regexes of a pattern file: definitions put in, compiled, and the place named where that is not possible."""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import regex

from watcher.profile_words import nearest

_REFERENCE = re.compile(r"%\{([^{}:]*)(?::([^{}]*))?\}")
_EXCERPT = 30


class UnusableRegexError(Exception):
    """Why a text is no usable regex."""


def expand(text: str, definitions: Mapping[str, str], within: tuple[str, ...] = ()) -> str:
    """Put definitions in the place of ``%{NAME}`` (not captured) and ``%{NAME:group}`` (captured as ``group``)."""

    def put(found: re.Match[str]) -> str:
        name, group = found[1], found[2]
        if name not in definitions:
            problem = f"%{{{name}}} is not defined{nearest(name, definitions)}"
            raise UnusableRegexError(problem)
        if name in within:
            problem = f"%{{{name}}} is defined by itself"
            raise UnusableRegexError(problem)
        inner = expand(definitions[name], definitions, (*within, name))
        return f"(?:{inner})" if group is None else f"(?P<{group}>{inner})"

    return _REFERENCE.sub(put, text)


def compile_regex(
    text: str, definitions: Mapping[str, str], broken: AbstractSet[str], problems: list[str]
) -> regex.Pattern[str] | None:
    """Compile the regex of a pattern; None, and the reason in ``problems``, where it cannot be used.

    What uses a ``broken`` definition cannot be used either, and nothing is said: it was said of the definition.
    """
    if any(found[1] in broken for found in _REFERENCE.finditer(text)):
        return None
    try:
        return regex.compile(expand(text, definitions))
    except UnusableRegexError as error:
        problems.append(f"regex: {error}")
    except regex.error as error:
        problems.append(f"regex: {_compile_problem(*_as_written(text, error))}")
    return None


def usable_definition(name: str, definitions: Mapping[str, str], problems: list[str]) -> bool:
    """True where a definition compiles by itself; else the reason is in ``problems``."""
    try:
        regex.compile(expand(definitions[name], definitions, (name,)))
    except (UnusableRegexError, regex.error) as error:
        problems.append(_compile_problem(error))
        return False
    return True


def compiled_answer(text: str, problems: list[str]) -> regex.Pattern[str] | None:
    """Compile a regex for an answer; None, and the reason in ``problems``, where it cannot be used."""
    try:
        return regex.compile(text)
    except regex.error as error:
        problems.append(_compile_problem(error))
        return None


def _as_written(text: str, error: regex.error) -> tuple[regex.error, str | None]:
    """The same mistake at its place in the text that the author wrote, where it shows before definitions are put in."""
    try:
        regex.compile(_REFERENCE.sub(lambda found: "x" * len(found[0]), text))
    except regex.error as own:
        return own, text
    return error, None


def _compile_problem(error: Exception, written: str | None = None) -> str:
    if not isinstance(error, regex.error):
        return str(error)
    # Attributes that the package's type stubs do not know.
    said, text, pos = (getattr(error, name, None) for name in ("msg", "pattern", "pos"))
    text = written or text
    if not isinstance(text, str) or not isinstance(pos, int):
        return f"does not compile: {error}"
    tail = text[pos : pos + _EXCERPT]
    where = f"before {tail!r}" if tail else "at its end"
    return f"does not compile: {said} at position {pos}, {where}; mend it (a literal bracket is written with \\)"
