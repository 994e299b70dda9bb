"""Recorded shapes of the log, line by line: what each means, in full, or that it means nothing.

A transcript names its profile, then holds lines, each followed by what is expected of it, behind ``=>``: a pattern's
id, the meaning, and every field of the fact; ``-`` for a line that is ignored; ``near miss`` for one that looks like
progress.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from watcher.core.facts import Fields
from watcher.matcher import Matcher, Reading
from watcher.profile import load_profile, shipped_profiles

FOLDER = Path(__file__).parent / "transcripts"
FILES = sorted(FOLDER.glob("*.txt"))
EXPECTED = "    => "
ESCAPE = "\u241b"  # stands for the escape character, so that a transcript can be read


@dataclass(frozen=True)
class Entry:
    number: int
    line: str
    expected: str


def read(path: Path) -> tuple[str, list[Entry]]:
    text = path.read_text(encoding="utf-8").split("\n")
    profile = next(line.removeprefix("profile: ") for line in text if line.startswith("profile: "))
    return profile, list(entries(text))


def entries(text: list[str]) -> Iterator[Entry]:
    for number, (line, following) in enumerate(pairwise(text), start=1):
        if following.startswith(EXPECTED):
            yield Entry(number, line.replace(ESCAPE, "\x1b"), following.removeprefix(EXPECTED))


def spelt(reading: Reading) -> str:
    """What became of a line, as a transcript writes it."""
    fact = reading.fact
    if fact is None:
        return "near miss" if reading.near_miss else "-"
    fields = Fields(
        fact.window, fact.coverage, fact.resolution, fact.provider, fact.id, fact.rows_in, fact.rows_out, fact.seconds
    )
    words = {"stage": fact.stage, "level": reading.level, **fields.stated()}
    said = [f"{name}={word}" for name, word in words.items() if word is not None]
    return " ".join([fact.pattern, fact.meaning.value, *said])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_line_means_what_the_transcript_says(path: Path) -> None:
    profile, lines = read(path)
    matcher = Matcher(load_profile(profile))
    read_as = [(entry.number, spelt(matcher.read(entry.line.encode()))) for entry in lines]
    assert read_as == [(entry.number, entry.expected) for entry in lines]
    assert not matcher.timeouts


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_line_of_a_transcript_has_an_expectation(path: Path) -> None:
    text = path.read_text(encoding="utf-8").split("\n")
    body = [line for line in text if line and not line.startswith(("# ", "profile: "))]
    assert [line.startswith(EXPECTED) for line in body] == [False, True] * (len(body) // 2)


def test_every_shipped_pattern_is_met_in_a_transcript() -> None:
    met = {entry.expected.split(" ")[0] for path in FILES for entry in read(path)[1]}
    shipped = {pattern.id for name in shipped_profiles() for pattern in load_profile(name).patterns}
    assert shipped <= met


def test_no_line_that_says_complete_is_progress_but_the_end_of_a_reconciliation() -> None:
    proofs = ("window_done", "repair_ended", "day_started")
    for path in FILES:
        for entry in read(path)[1]:
            if "complete" in entry.line and any(f" {proof} " in entry.expected for proof in proofs):
                assert "repair complete for [" in entry.line
