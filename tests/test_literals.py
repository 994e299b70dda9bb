"""A text is only ever claimed where every match holds it."""

from __future__ import annotations

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from watcher.literals import longest_literal, required_texts
from watcher.profile import load_profile, shipped_profiles


@pytest.mark.parametrize(
    ("expression", "literal"),
    [
        (r"^ETL: Asset\[1d\]: done$", "ETL: Asset[1d]: done"),
        (r"^(?:ETL: )?Allocation", "Allocation"),
        (r"^ETL: +CloudUsage\[(?P<provider>[^]]+)\]: x", "CloudUsage["),
        (r"abcd*efg", "abc"),
        (r"abcd{0,3}efgh", "efgh"),
        (r"abcd+efgh", "efgh"),
        (r"abcde?+", "abcd"),
        (r"one (two|three) four five", " four five"),
        (r"one\dtwo three", "two three"),
        (r"^(?!never).*at last", "at last"),
        (r"a\.b\.c", "a.b.c"),
        (r"(?:ab){3}", "ababab"),
        (r"\x41BCDE", "ABCDE"),
        (r"(?#comment) literal", " literal"),
        (r"one|two", None),
        (r"(?i)literal", None),
        (r"(?x) literal", None),
        (r"(?:(?i)x) literal", None),
        (r"(unclosed literal", None),
        (r"(?:literal){e<=1}", None),
        (r"[x[:alpha:]] literal", None),
        (r"\p{Lu}literal", None),
        (r"", None),
    ],
)
def test_the_longest_text_that_must_be_there(expression: str, literal: str | None) -> None:
    assert longest_literal(required_texts(expression)) == literal


@pytest.mark.parametrize(
    ("expression", "texts"),
    [
        (r"one|two", {"one", "two"}),
        (r"(?:ab|cd)[xy]", {"abx", "aby", "cdx", "cdy"}),
        (r"(?:ETL: )?Query", {"Query"}),  # what holds another member says nothing more
        (r"(?i)ab", {"ab", "aB", "Ab", "AB"}),
        (r"(?:a\d+b|cd)", {"a", "cd"}),
        (r"(?i:s)harp", {"harp"}),  # a long s is an s too
    ],
)
def test_alternatives_that_are_few_are_all_named(expression: str, texts: set[str]) -> None:
    assert frozenset(texts) in required_texts(expression)


@pytest.mark.parametrize("expression", [r"\d+", "a*", "a|b?", "(?i)[sik]", r"(a)?(?(1)b|c)", "."])
def test_nothing_is_claimed_of_what_may_be_anything(expression: str) -> None:
    assert required_texts(expression) == ()


def test_flags_given_from_outside_count() -> None:
    assert frozenset({"ab"}) in required_texts("ab", int(regex.VERSION0 | regex.UNICODE))
    assert frozenset({"ab"}) not in required_texts("ab", int(regex.IGNORECASE))
    assert required_texts("ab", int(regex.VERSION1)) == ()
    assert required_texts("ab", int(regex.BESTMATCH)) == ()


pieces = st.sampled_from(
    ["a", "bc", "b*", "c?", "[ab]+", "[^]c]", "(?:ab|c)", "(a)", "(?=a)", "(?!c)", ".", r"\w", r"\[", "^", "$", "b{2}",
     "b{0,2}?", "|", "[a-c]{1,2}", "(?:a(?:b|[)c])b)?", "(?i:k)", "(?i:ab)", "(?>a|b)", "c++", "(?:b|)", "(?<=a)"]
)  # fmt: skip


@given(st.lists(pieces, max_size=8).map("".join), st.text("abcABK\u212a[)x", max_size=12))
def test_every_match_holds_a_text_of_each_set(expression: str, line: str) -> None:
    found = regex.search(expression, line)
    if found is not None:
        for texts in required_texts(expression):
            assert any(text in found[0] for text in texts)


@pytest.mark.parametrize("name", shipped_profiles())
def test_the_samples_of_the_shipped_patterns_hold_their_literals(name: str) -> None:
    patterns = load_profile(name).patterns
    assert sum(pattern.literal is not None for pattern in patterns) > len(patterns) / 2
    for pattern in patterns:
        for sample in pattern.samples:
            assert pattern.literal is None or pattern.literal in sample
