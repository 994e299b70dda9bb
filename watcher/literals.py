"""Which texts a regex cannot match without: read from its parse tree, so that they can be looked for before it is run.

The answer is a choice of sets; of each set every match holds at least one member. The patterns are compiled by the
package ``regex`` and parsed here by ``re``, so whatever the two read differently is refused: no answer is always right,
a pattern without one is only slower. Nothing here knows about log lines.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

Texts = frozenset[str]

MOST = 24  # alternatives in one set; more are rather cut into several sets

_parser: Any = importlib.import_module("re._parser")  # has no public name since Python 3.11

# As plain numbers: what is asked thousands of times should not be an enum.
_IGNORECASE, _VERBOSE = int(re.IGNORECASE), int(re.VERBOSE)
_SHARED = _IGNORECASE | int(re.MULTILINE | re.DOTALL)  # flags that both packages number alike
_HARMLESS = int(re.UNICODE) | 0x80 | 0x2000  # in the numbers of ``regex``: Unicode, ASCII, its classic version

# ``regex`` knows POSIX classes, ``re`` reads the same text as a set and a bracket.
_POSIX_CLASS = re.compile(r"(?<!\\)(?:\\\\)*\[:")
# ``regex`` knows fuzzy matching (``{e<=1}``), ``re`` reads the same text as characters.
_NO_REPEAT = re.compile(r"(?<!\\)(?:\\\\)*\{(?!\d*,?\d*\})")
# Letters that have more than two cases in Unicode: a long s, the Kelvin sign, the two i of Turkish.
_MORE_CASES = frozenset("sSkKiI")
_CLASS_SIZE = 4  # characters in a class that are tried one by one


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of a part: ``exact`` holds every text it can match (None: too many); ``sets`` as above."""

    exact: Texts | None = None
    sets: tuple[Texts, ...] = ()


_EMPTY = _Known(frozenset({""}))
_NOTHING = _Known()


@lru_cache(maxsize=1024)  # profiles share most of their patterns
def required_texts(regex: str, flags: int = 0) -> tuple[Texts, ...]:
    """Sets of texts; every text that ``regex`` matches holds a member of each set. () where none is known.

    ``flags`` are those that the package ``regex`` compiled it with. Texts are at least one character long.
    """
    tree = parsed(regex, flags)
    if tree is None:
        return ()
    known = _sequence(tree, int(tree.state.flags))
    sets = known.sets if known.exact is None else (*known.sets, known.exact)
    return tuple(dict.fromkeys(each for each in map(_without_longer, sets) if each and "" not in each))


@lru_cache(maxsize=16)  # two things are asked of a pattern, one after the other
def parsed(regex: str, flags: int = 0) -> Any | None:  # noqa: ANN401  the parser has no types
    """The parse tree of ``regex``; None where the two packages may not read it alike."""
    if flags & ~(_SHARED | _HARMLESS) or _POSIX_CLASS.search(regex) or _NO_REPEAT.search(regex):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # "possible nested set": what ``regex`` may read differently
            tree = _parser.parse(regex, flags & _SHARED)
    except (re.error, Warning, OverflowError, RecursionError):
        return None
    return None if tree.state.flags & _VERBOSE else tree


def longest_literal(sets: Iterable[Texts]) -> str | None:
    """The longest text that every match holds, None where no set tells one: a cheap question to ask first."""
    alone = [text for texts in sets if len(texts) == 1 for text in texts]
    return max(alone, key=len, default=None)


def _without_longer(texts: Texts) -> Texts:
    """Without the members that hold another member: they say nothing more."""
    kept: list[str] = []
    for text in sorted(texts, key=len):
        if not any(shorter in text for shorter in kept):
            kept.append(text)
    return frozenset(kept)


@dataclass(slots=True)
class _Runs:
    """Stretches of a sequence that follow each other without a hole: plain ones, and ones with alternatives."""

    sets: list[Texts] = field(default_factory=list)
    run: Texts = frozenset({""})
    plain: str = ""
    whole: bool = True

    def follow(self, exact: Texts) -> None:
        if len(exact) == 1:
            self.plain += next(iter(exact))
        else:
            self._end_plain()
        longer = frozenset(head + tail for head in self.run for tail in exact)
        if len(longer) > MOST:
            self._end_run()
            longer = exact
            self.whole = False
        self.run = longer

    def hole(self, sets: Iterable[Texts] = ()) -> None:
        self._end_plain()
        self._end_run()
        self.sets.extend(sets)
        self.whole = False

    def known(self) -> _Known:
        exact = self.run if self.whole else None
        self._end_plain()
        self._end_run()
        return _Known(exact, tuple(self.sets))

    def _end_plain(self) -> None:
        if self.plain:
            self.sets.append(frozenset({self.plain}))
        self.plain = ""

    def _end_run(self) -> None:
        if "" not in self.run:
            self.sets.append(self.run)
        self.run = frozenset({""})


def _sequence(nodes: Iterable[tuple[Any, Any]], flags: int) -> _Known:
    runs = _Runs()
    for operation, argument in nodes:
        known = _node(str(operation), argument, flags)
        if known.exact is not None:
            runs.sets.extend(known.sets)
            runs.follow(known.exact)
        else:
            runs.hole(known.sets)
    return runs.known()


def _node(operation: str, argument: Any, flags: int) -> _Known:  # noqa: ANN401  the parser has no types
    match operation:
        case "LITERAL":
            return _Known(_cases(argument, flags))
        case "IN":
            return _class(argument, flags)
        case "BRANCH":
            return _branch([_sequence(branch, flags) for branch in argument[1]])
        case "SUBPATTERN":
            _, added, dropped, inner = argument
            if added & _VERBOSE:
                return _NOTHING
            return _sequence(inner, (flags | added) & ~dropped)
        case "ATOMIC_GROUP":
            return _sequence(argument, flags)
        case "MAX_REPEAT" | "MIN_REPEAT" | "POSSESSIVE_REPEAT":
            least, most, inner = argument
            return _repeat(least, most, _sequence(inner, flags))
        case "AT" | "ASSERT" | "ASSERT_NOT":
            return _EMPTY  # looks at a place and matches nothing there
        case _:
            return _NOTHING


def _cases(code: int, flags: int) -> Texts | None:
    char = chr(code)
    if not flags & _IGNORECASE:
        return frozenset({char})
    if not char.isascii() or char in _MORE_CASES:
        return None
    return frozenset({char.lower(), char.upper()})


def _class(items: Sequence[tuple[Any, Any]], flags: int) -> _Known:
    chars: set[str] = set()
    for operation, argument in items:
        match str(operation):
            case "LITERAL":
                codes: Iterator[int] | range = iter((argument,))
            case "RANGE" if argument[1] - argument[0] < _CLASS_SIZE:
                codes = range(argument[0], argument[1] + 1)
            case _:
                return _NOTHING
        for code in codes:
            cases = _cases(code, flags)
            if cases is None:
                return _NOTHING
            chars |= cases
    return _Known(frozenset(chars)) if len(chars) <= _CLASS_SIZE else _NOTHING


def _branch(branches: Sequence[_Known]) -> _Known:
    exact: set[str] = set()
    any_of: set[str] = set()
    for branch in branches:
        if branch.exact is not None:
            exact |= branch.exact
            any_of |= branch.exact
        elif branch.sets:
            any_of |= _longest(branch.sets)
        else:
            return _NOTHING
    if len(exact) <= MOST and all(branch.exact is not None for branch in branches):
        return _Known(frozenset(exact))
    return _Known(None, (frozenset(any_of),)) if "" not in any_of and len(any_of) <= MOST else _NOTHING


def _longest(sets: Iterable[Texts]) -> Texts:
    return max(sets, key=lambda texts: (min(map(len, texts)), -len(texts)))


def _repeat(least: int, most: int, inner: _Known) -> _Known:
    if least == 0:
        return _Known(inner.exact | {""}) if most == 1 and inner.exact is not None else _NOTHING
    if least == most == 1:
        return inner
    if inner.exact is None:
        return _Known(None, inner.sets)
    if least == most and len(inner.exact) == 1 and least * len(next(iter(inner.exact))) <= MOST:
        return _Known(frozenset({next(iter(inner.exact)) * least}))
    return _Known(None, (inner.exact,) if "" not in inner.exact else ())
