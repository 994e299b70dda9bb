"""How long a text may be so that a search in it is over at once, whatever it holds: read from a regex's parse tree.

To ask the clock costs more than most searches take; where this answer holds nobody needs to. It rests on counting what
a backtracking search can try in a text of n characters:

- It begins at n places; at one, where the regex begins with ``^``; at n / k, where it begins with k letters of which
  the first comes once, for the text has no room for more of them.
- One way through the regex takes n steps at the most, in each of which it takes a character or fails; n more for each
  part that is looked ahead at; and one for each alternative that it does not take.
- A repeat of one character, of which none can begin what follows, has one way: where it gives one back, what follows
  fails at that very character. Any other repeat of one character (a free one) has n ways. A repeat of anything else is
  refused.
- Alternatives, and something optional with what follows it, have one way if no character can begin two of them, else
  as many as there are.
- What is looked ahead at is gone through in each way; before it, any repeat of one character is free.

The product of beginnings, ways and steps is the most. 0 is always a right answer.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import regex

from watcher.literals import parsed

MOST_STEPS = 1 << 23  # less than the tenth of a second that is allowed to a search that is timed
LONGEST = 512

Chars = int
"""What may stand at a place, no less than that: a bit for each of the first characters, for any other, for the end."""

_NAMED = 0x400  # Latin and Greek: both letters that are written for micro
_OTHER: Chars = 1 << _NAMED
_END: Chars = _OTHER << 1
_ANY: Chars = _END - 1
_REFUSED = int(re.IGNORECASE | re.ASCII)  # they change what a character or a category is


class _SlowError(Exception):
    """A part may divide a text in too many ways, or is not understood."""


@lru_cache(maxsize=1024)  # profiles share most of their patterns
def hasty_length(text: str, flags: int = 0) -> int:
    """A search for the regex ``text`` in any text of so many characters is over at once; 0: nothing is known."""
    tree = None if flags & int(regex.ASCII) else parsed(text, flags)
    if tree is None or int(tree.state.flags) & _REFUSED:
        return 0
    walk = _Walk()
    try:
        walk.sequence(tree, _END)
    except (_SlowError, RecursionError):
        return 0
    anchored, letters = _beginning(tree)

    def most(n: int) -> int:
        ways: int = walk.choices * n**walk.free
        steps = ways * (n * (1 + walk.looks) + walk.others)
        return steps if anchored else steps * n // letters

    return bisect_right(range(LONGEST + 1), MOST_STEPS, key=most) - 1


def _beginning(tree: Any) -> tuple[bool, int]:  # noqa: ANN401  the parser has no types
    """Whether the regex matches only at the beginning of a text, and with how many letters it begins, at least 1."""
    letters: list[int] = []
    for number, (operation, argument) in enumerate(tree):
        if number == 0 and str(argument) == "AT_BEGINNING" and not int(tree.state.flags) & int(re.MULTILINE):
            return True, 1
        if str(operation) != "LITERAL":
            break
        letters.append(argument)
    return False, len(letters) if letters and letters.count(letters[0]) == 1 else 1


class _Walk:
    """Goes through a tree from its end to its beginning, for a part is judged by what may follow it."""

    def __init__(self) -> None:
        self.choices = 1
        self.free = 0
        self.looks = 0
        self.others = 0

    def sequence(self, nodes: Iterable[tuple[Any, Any]], follow: Chars) -> Chars:
        """What the sequence may begin with, where ``follow`` may come after it."""
        for operation, argument in reversed(list(nodes)):
            follow = self._node(str(operation), argument, follow)
        return follow

    def _node(self, operation: str, argument: Any, follow: Chars) -> Chars:  # noqa: ANN401  the parser has no types
        match operation:
            case "AT":
                return follow
            case "ASSERT" | "ASSERT_NOT" if argument[0] > 0:  # it looks ahead
                self.looks += 1
                self.sequence(argument[1], _ANY | _END)
                return _ANY | _END
            case "SUBPATTERN" if not argument[1] and not argument[2]:  # it changes no flags
                return self.sequence(argument[3], follow)
            case "BRANCH":
                return self._choice([self.sequence(branch, follow) for branch in argument[1]])
            case "MAX_REPEAT" | "MIN_REPEAT":
                least, most, inner = argument
                if (least, most) == (0, 1):
                    return self._choice([self.sequence(inner, follow), follow])
                return self._repeat(least, most, list(inner), follow)
            case _:
                return _chars(operation, argument)

    def _choice(self, firsts: Sequence[Chars]) -> Chars:
        self.others += len(firsts)
        together, both = 0, 0
        for first in firsts:
            both |= together & first
            together |= first
        if both:
            self.choices *= len(firsts)
        return together

    def _repeat(self, least: int, most: int, inner: Sequence[tuple[Any, Any]], follow: Chars) -> Chars:
        if len(inner) != 1:
            raise _SlowError
        chars = _chars(str(inner[0][0]), inner[0][1])
        if least < most and chars & follow:
            self.free += 1
        return chars if least else chars | follow


def _chars(operation: str, argument: Any) -> Chars:  # noqa: ANN401
    """What a part that takes one character may take."""
    match operation:
        case "LITERAL":
            return _between(argument, argument)
        case "NOT_LITERAL":
            return _all_but(_chars("LITERAL", argument))
        case "ANY":
            return _ANY
        case "IN" if str(argument[0][0]) == "NEGATE":
            return _all_but(_any_of(argument[1:]))
        case "IN":
            return _any_of(argument)
        case "RANGE":
            return _between(*argument)
        case "CATEGORY" if (known := _CATEGORIES.get(str(argument).replace("_NOT_", "_"))) is not None:
            return _all_but(_members(known)) if "_NOT_" in str(argument) else _members(known) | _OTHER
        case _:
            raise _SlowError


def _between(first: int, last: int) -> Chars:
    named = (1 << min(last + 1, _NAMED)) - (1 << min(first, _NAMED))
    return named if last < _NAMED else named | _OTHER


def _any_of(items: Iterable[tuple[Any, Any]]) -> Chars:
    together = 0
    for operation, argument in items:
        together |= _chars(str(operation), argument)
    return together


def _all_but(chars: Chars) -> Chars:
    return _ANY & ~chars | _OTHER


_CATEGORIES = {"CATEGORY_DIGIT": r"\d", "CATEGORY_SPACE": r"\s", "CATEGORY_WORD": r"\w"}


@lru_cache
def _members(category: str) -> Chars:
    """Of the first characters those that the package which runs the patterns counts among ``category``."""
    return sum(1 << ord(char) for char in regex.findall(category, "".join(map(chr, range(_NAMED)))))
