"""A literal is only ever claimed where every match holds it."""

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from watcher.literals import required_literal
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
        (r"one|two", None),
        (r"(?i)literal", None),
        (r"(?:(?i)x) literal", None),
        (r"\x41BCDE", None),
        (r"[a[b]] literal", None),
        (r"(?#comment) literal", None),
        (r"(unclosed literal", None),
        (r"ab", None),
        (r"", None),
    ],
)
def test_the_longest_text_that_must_be_there(expression: str, literal: str | None) -> None:
    assert required_literal(expression) == literal


pieces = st.sampled_from(
    ["a", "bc", "b*", "c?", "[ab]+", "[^]c]", "(?:ab|c)", "(a)", "(?=a)", "(?!c)", ".", r"\w", r"\[", "^", "$", "b{2}",
     "b{0,2}?", "|", "[a-c]{1,2}", "(?:a(?:b|[)c])b)?"]
)  # fmt: skip


@given(st.lists(pieces, max_size=8).map("".join), st.text("abc[)x", max_size=12))
def test_no_match_lacks_the_literal(expression: str, text: str) -> None:
    literal = required_literal(expression)
    if literal is not None and regex.search(expression, text):
        assert literal in text


@pytest.mark.parametrize("name", shipped_profiles())
def test_the_samples_of_the_shipped_patterns_hold_their_literals(name: str) -> None:
    patterns = load_profile(name).patterns
    assert sum(pattern.literal is not None for pattern in patterns) > len(patterns) / 2
    for pattern in patterns:
        for sample in pattern.samples:
            assert pattern.literal is None or pattern.literal in sample
