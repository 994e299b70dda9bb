"""A search that is not timed is over at once, whatever the text."""

from __future__ import annotations

import time

import pytest
import regex
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from watcher.core.envelopes import Envelope
from watcher.core.events import Meaning
from watcher.haste import LONGEST, hasty_length
from watcher.pattern import Pattern
from watcher.profile import load_profile, shipped_profiles

PATIENCE = 1.0  # seconds; ten times what a search that is timed may take, for machines that do other things too


@pytest.mark.parametrize(
    "text",
    [
        r"plain words",
        r"\d+ rows in \d+ ms$",
        r"\[[^\[\]]+\]: Run\[[A-Za-z]+\]",
        r"(?:\d+h)?(?:\d+m)?\d+(?:\.\d+)?(?:ns|µs|μs|ms|s)",
        r"^panic: (?P<id>.+)",
        r"a*b*c*$",
        r"(?P<id>\w+): vector",
        r"(?:one|two|three) \S+ more",
        r"^a.*b",
        r"^(?!a)b.*c",
    ],
)
def test_where_parts_have_one_way_long_messages_need_no_clock(text: str) -> None:
    assert hasty_length(text) == LONGEST


@pytest.mark.parametrize(
    ("text", "longest"),
    [
        (r".*x", 203),  # n beginnings, n ways, n steps
        (r"(?m)^.*x", 203),  # may begin behind any newline
        (r"[Aa]bcdefgh.*x", 203),
        (r"Aacdefgh.*x", 406),  # eight letters cannot stand at each place
        (r"aacdefgh.*x", 203),  # as far as is looked, they can
        (r"\w+\d", 203),
        (r"\d+\w", 203),
        (r"[^b]+a", 203),
        (r"[^\d]+\w", 203),
        (r"\W+ ", 203),
        (r"é+[à-ü]", 203),
        (r"[à-þ]+ý", 203),
        (r".+\xe9", 203),
        (r"\w+\u0301", 203),
        (r"\w+\u0401", 203),
        (r"[^a]+[\u0401]", 203),
        (r"[\u0400-\u0500]+\u2028", 203),
        (r".*?x", 203),
        (r"a*a*$", 203),
        (r"a{1,3}a", 203),
        (r"a+(?!b)c", 161),
        (r"a+(?=.*x)b", 45),
        (r".*x.*y", 53),
        (r"^.*x.*y.*z", 53),
        (r".*.*.*$", 53),
        ("(?:|)" * 10 + "$", 81),
        ("(?:a|ab)?" * 10 + "$", 109),
        ("(?:|)" * 30 + "$", 0),
        (r"\w+" + "(?![^z]*z)" * 100 + "[%&]", 43),
        (r"\w+(?:" + "|".join(f"{chr(at)}\\W" for at in range(0x3C0, 0x3F0)) + ")[q!]", 188),
        (r"(?:\b)?" * 30 + "$", 0),
    ],
)
def test_the_more_ways_there_may_be_the_sooner_a_message_is_timed(text: str, longest: int) -> None:
    assert hasty_length(text) == longest


@pytest.mark.parametrize(
    "text",
    [
        r"(a+)+$",
        r"(?:a|a)*$",
        r"(?:ab)+",
        r"(?:ab){2}",
        r"(?i)a+A",
        r"(?i:a)+A",
        r"(?a)\W+é",
        r"(a)\1+",
        r"(?<=a)b",
        r"(?>a+)b",
        r"a++b",
        r"(",
        r"\p{L}+x",
        r"[[:alpha:]]+x",
        r"(?:abc){e<=1}",
        r"(?s:a)",
        "(?:" * 2000 + ")" * 2000,
    ],
)
def test_what_is_not_understood_is_always_timed(text: str) -> None:
    assert hasty_length(text) == 0


def test_a_flag_that_changes_what_a_category_is_needs_the_clock() -> None:
    assert hasty_length(r"\W+a") == LONGEST
    assert hasty_length(r"\W+a", int(regex.ASCII)) == 0
    assert hasty_length(r"a+b", int(regex.IGNORECASE)) == 0


def test_most_shipped_patterns_are_not_timed() -> None:
    for name in shipped_profiles():
        patterns = load_profile(name).patterns
        assert sum(pattern.hasty == LONGEST for pattern in patterns) > 0.9 * len(patterns)


def test_a_pattern_that_explodes_comes_to_an_end_on_short_and_long_messages() -> None:
    pattern = Pattern("x", Meaning.NOTED, "", regex.compile("(?:a|a)*[bc]$"), "")
    for length in (100, LONGEST, 2 * LONGEST):
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            pattern.match(Envelope("a" * length), 0.05)
        assert time.monotonic() - begun < PATIENCE


def test_a_message_that_is_too_long_is_timed() -> None:
    pattern = Pattern("x", Meaning.NOTED, "", regex.compile(".+[ab]{50}.+[ab]{50}[cd]"), "")
    assert 0 < pattern.hasty < LONGEST
    assert pattern.match(Envelope("a" * pattern.hasty)) is None
    with pytest.raises(TimeoutError):
        pattern.match(Envelope("a" * 4 * LONGEST), 0.01)


ATOMS = st.sampled_from(
    ["a", "b", " ", r"\d", r"\w", r"\W", "[ab]", "[^a]", "[^ab1]", ".", "é", "[à-ü]", "1", "$", "^", r"\b", "", "(?!a)"]
)
REPEATS = st.sampled_from(["", "+", "*", "?", "{2}", "{1,9}", "*?", "{20}"])
REGEXES = st.recursive(
    st.builds(str.__add__, ATOMS.filter(lambda atom: atom not in {"$", "^", r"\b", "", "(?!a)"}), REPEATS)
    | ATOMS,
    lambda inner: (
        st.lists(inner, min_size=2, max_size=6).map("".join)
        | st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})")
        | inner.map(lambda part: f"(?:{part})?")
        | inner.map(lambda part: f"(?={part})")
        | inner.map(lambda part: f"(?!{part})")
        | inner.map(lambda part: f"(?:{part})+")
    ),
    max_leaves=16,
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(["a", "b", "ab", " ", "1", "é", "aaaaaaaa", "a1", "\n"]), min_size=1, max_size=4).map(
    lambda parts: ("".join(parts) * LONGEST)[:LONGEST]
)


@settings(max_examples=400)
@given(REGEXES, TEXTS, st.sampled_from(["", "c", "\n", "é"]))
def test_a_search_that_is_not_timed_comes_to_an_end_on_any_text(text: str, line: str, last: str) -> None:
    for each in (text, f"(?:{text})[!c]"):
        longest = hasty_length(each)
        assume(longest)
        # The empty group keeps what the package knows of the regex from answering without a search.
        regex.compile(each + "(?:)").search(line[: max(longest - 1, 0)] + last, timeout=PATIENCE)
