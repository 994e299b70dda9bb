"""The fast matcher says what the plain one says, of any bytes, in any pieces, and finds what hides from a search."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.differences import differences, in_chunks
from benchmarks.differences import log as random_log
from benchmarks.differences import profile as random_profile
from watcher.chunks import WholeLines
from watcher.core.blocks import count_lines
from watcher.core.events import LogRead, Meaning
from watcher.core.lines import LineSplitter
from watcher.marks import choose_marks, unmarked_patterns
from watcher.matcher import Matcher, text_of, text_of_lines
from watcher.pattern import Pattern
from watcher.profile import Profile, load_profile, shipped_profiles
from watcher.scan import AT_ONCE, GOOD_SAMPLE, Scanner, last_stamp, states_info
from watcher.search import Search, hidden
from watcher.sources import LinesRead, RawLine

LINE = "2023-01-05T08:00:00.5Z INF Bakery: baked 12 loaves\n"


class Nowhere:
    """A cursor that nobody reads."""

    def dump(self) -> str:
        return ""


def rules(*expressions: str, anchors: tuple[str, ...] = (), flags: int = 0) -> Profile:
    patterns = (
        Pattern(f"p{number}", Meaning.NOTED, "", regex.compile(each, flags), "")
        for number, each in enumerate(expressions)
    )
    return Profile("test", "", None, (), tuple(patterns), anchors, "")


def plainly(profile: Profile, log: bytes) -> LogRead:
    return Matcher(profile).read_batch([RawLine(line) for line in LineSplitter().feed(log)])


def scanned(profile: Profile, log: bytes, size: int = 1 << 20) -> LogRead:
    return in_chunks(Scanner(Matcher(profile)), iter([log[at : at + size] for at in range(0, len(log), size)]))


# ---- the same as line by line ---------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None)  # some triples are long
@given(st.integers(0, 1 << 40))
def test_random_logs_chunkings_and_pattern_sets_make_no_difference(number: int) -> None:
    """The triples are made from a number: `python -m benchmarks.differences` compares ten thousand of them."""
    assert differences(number) == []


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1 << 40))
def test_what_a_replay_only_counts_is_what_could_not_move_a_repair(number: int) -> None:
    dice = random.Random(number)
    scanner = Scanner(Matcher(random_profile(dice), timeout=0.5))
    for stretch in WholeLines().feed(random_log(dice, scanner.matcher.profile)):
        readings = list(scanner.read(*stretch))
        if scanner.matcher.timeouts:
            return  # what matches in time is chance
        pieces = list(scanner.read_telling(*stretch))
        telling, silent = [each for piece, _ in pieces for each in piece], sum(count for _, count in pieces)
        kept = [each for each in readings if each.near_miss or each.tells]
        assert [(each.fact, each.at, each.near_miss) for each in telling] == [
            (each.fact, each.at, each.near_miss) for each in kept
        ]
        assert silent == len(readings) - len(kept)


@pytest.mark.parametrize(
    "lines",
    [
        [b"plain", b"", b"words"],
        [b"cut \xe2\x82", b"\x82 off", b"\xc3"],
        [b"\xf0\x9f\x98", b"\x80", b"\xff\xfe"],
        [b"x" * ((64 << 10) - 1) + "é".encode(), b"after what is looked at ends within a letter"],
        ["é".encode() * (64 << 10), b"long"],
        [b""],
    ],
)
def test_many_lines_at_once_are_the_text_that_each_of_them_is(lines: list[bytes]) -> None:
    assert text_of_lines(lines).split("\n") == [text_of(line) for line in lines]


def test_a_chunk_of_very_short_lines_is_read_in_pieces() -> None:
    scanner = Scanner(Matcher(rules(".")))
    pieces = list(scanner.read_telling(b"x\n" * 5000, 0, 10_000))
    assert max(silent for _, silent in pieces) == AT_ONCE
    assert sum(silent for _, silent in pieces) == 5000


HIDDEN = {
    "plain": LINE.encode(),
    "a colour inside of a word": LINE.replace("baked", "ba\x1b[31mke\x1b[0md").encode(),
    "colours that follow each other": LINE.replace("baked", "ba\x1b[1m\x1b[31mked").encode(),
    "an escaped letter": b'{"level":"info","message":"Bakery: ba\\u006bed 12 loaves"}\n',
    "a byte that is no UTF-8 in front": b"\xff" + LINE.encode(),
    "a byte that is no UTF-8 beside": LINE.encode().replace(b"baked", b"baked\xff"),
    "a line end of Windows": LINE.encode().replace(b"\n", b"\r\n"),
    "blanks and frames": ("│ " + LINE.replace("\n", " │\n")).encode(),
    "a long head": b"[pod/a/b] " + b" " * 40_000 + b"baked 12 loaves\n",
    "beyond what is looked at": b" " * 70_000 + b"baked 12 loaves\n",
    "longer than a line may be": b"baked 12 loaves" + b" " * 2_000_000 + b"\n",
    "no newline": LINE.encode().rstrip(b"\n"),
    "empty lines": b"\n\n" + LINE.encode() + b"\n",
}


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
@pytest.mark.parametrize("log", HIDDEN.values(), ids=HIDDEN)
def test_nothing_that_stands_around_a_word_hides_it(log: bytes, size: int) -> None:
    if size == 1 and len(log) > 100_000:
        log = log[-100:]
    for profile in (rules("baked"), rules("12 loaves$"), rules("never", anchors=("baked",))):
        assert scanned(profile, log, size).facts == plainly(profile, log).facts
        assert scanned(profile, log, size).near_missed == plainly(profile, log).near_missed


@pytest.mark.parametrize("byte", [b"\xff", b"\xcb", b"\x80", b"\xfe"])
def test_words_that_reading_invents_are_found(byte: bytes) -> None:
    r"""``\xfe`` and ``ast`` are read as the word ``feast``."""
    log = byte + b"ast of bread\n"
    profile = rules(rf"{byte.hex()}ast", r"\\x..ast", anchors=(byte.hex() + "ast",))
    assert plainly(profile, log).matched == 1
    assert scanned(profile, log) == plainly(profile, log)


def test_marks_that_overlap_do_not_hide_each_other() -> None:
    profile = rules("klmnop(?!qr)", "opqrs", "nopx", anchors=("lmn",))
    log = b"klmnopqrs\nklmnop\nklmnopx\nklmnopqr\n"
    assert [fact.pattern for fact in scanned(profile, log).facts] == ["p1", "p0", "p0"]
    assert scanned(profile, log) == plainly(profile, log)


def test_the_first_pattern_that_matches_wins_though_another_is_found_first() -> None:
    profile = rules("baked .*loaves", "loaves", "Bakery")
    assert [fact.pattern for fact in scanned(profile, b"Bakery: baked 12 loaves\n").facts] == ["p0"]


def test_a_pattern_without_a_literal_is_tried_on_every_line_and_named() -> None:
    profile = rules(r"^\d+$", "literal")
    log = b"17\nx\nliteral\n"
    assert unmarked_patterns(profile) == ["p0"]
    assert scanned(profile, log).matched == 2
    assert scanned(profile, log) == plainly(profile, log)


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_shipped_pattern_has_a_mark(name: str) -> None:
    profile = load_profile(name)
    assert unmarked_patterns(profile) == []
    assert not choose_marks(profile).every_line


def test_marks_are_chosen_anew_by_a_good_sample_and_find_the_same() -> None:
    """A word that is everywhere in this log is no longer looked for; what is found stays the same."""
    profile = rules("common rare [0-9]+")
    log = b"common x\n" * GOOD_SAMPLE + b"common rare 1\n"
    assert choose_marks(profile, log).texts != choose_marks(profile, b"rare 1\n" * 5000).texts
    assert scanned(profile, log).matched == scanned(profile, b"common rare 1\n").matched == 1


# ---- batches of the daemon ------------------------------------------------------------------------------------------


def test_a_batch_keeps_the_stamps_that_the_source_took_off() -> None:
    at = [datetime(2023, 1, 5, 8, 0, second, tzinfo=UTC) for second in range(3)]
    lines = (RawLine(b"INF nothing", at[0]), RawLine(b"INF baked 12", at[1]), RawLine(b"", at[2]))
    read = Scanner(Matcher(rules("baked"))).read_lines(LinesRead(None, lines, Nowhere()))
    assert [(fact.at, fact.stamped_by_runtime) for fact in read.facts] == [(at[1], True)]
    assert (read.lines, read.matched, read.last_line_at, read.info_lines) == (3, 1, at[2], 1)


def test_an_empty_batch_says_nothing() -> None:
    assert Scanner(Matcher(rules("baked"))).read_batch([]) == LogRead(None, (), 0)


# ---- what is asked of whole chunks ----------------------------------------------------------------------------------


@given(st.binary(max_size=200))
def test_lines_are_counted_by_their_newlines(log: bytes) -> None:
    assert count_lines(log) == log.count(b"\n")


@pytest.mark.parametrize(
    ("log", "info"),
    [
        (b"2023-01-05T08:00:00Z WRN a\nINF b\n", True),
        (b"2023-01-05T08:00:00Z WRN information\nERR INF\n", False),
        (b"I0228 19:52:20.706416       1 log.go:62] b\n", True),
        (b"I0228 19:52:20.706416       1 log.go:62] [Error] b\n", False),
        (b"[Debug] b\n", True),
        (b'{"level":"INFO","message":"b"}\n', True),
        (b'{"level":"\\u0069nfo","message":"b"}\n', True),
        (b"\x1b[90m2023-01-05T08:00:00Z\x1b[0m \x1b[32mIN\x1b[0mF\x1b[0m b\n", True),
        (b"", False),
    ],
)
def test_whether_the_log_speaks_at_info_level(log: bytes, info: bool) -> None:
    assert states_info(log, 0, len(log)) is info
    assert bool(plainly(rules("x"), log).info_lines) is info


@pytest.mark.parametrize(
    ("log", "second"),
    [
        (b"2023-01-05T08:00:01Z INF a\n2023-01-05T08:00:02Z INF b\n", 2),
        (b"2023-01-05T08:00:03Z INF a\n" + b"\tat frame\n" * 9, 3),
        (b"2023-01-05T08:00:04Z INF a\n" + b"INF window [2023-01-05T08:00:09Z, 2023-01-05T08:00:10Z)\n" * 9, 4),
        (b'{"level":"info","ts":"20230105T080005Z","msg":"a"}\n' + b"x\n" * 9, 5),
        (b'{"level":"info","t\\u0073":"20230105T080006Z","msg":"a"}\n' + b"x\n" * 9, 6),
        (b"2023-13-05T08:00:07Z INF a\n" + b"x\n" * 9, None),
        (b"", None),
    ],
)
def test_the_last_stamp_of_a_chunk(log: bytes, second: int | None) -> None:
    expected = None if second is None else datetime(2023, 1, 5, 8, 0, second, tzinfo=UTC)
    assert last_stamp(log, 0, len(log)) == expected
    assert plainly(rules("x"), log).last_line_at == expected


# ---- the search -----------------------------------------------------------------------------------------------------

bits = st.text("abc", max_size=60).map(str.encode)  # few letters, so that everything overlaps


@given(st.lists(st.text("abc", min_size=1, max_size=6).map(str.encode), min_size=1, max_size=80, unique=True), bits)
def test_both_searches_find_every_text_or_what_hides_it(texts: list[bytes], buffer: bytes) -> None:
    """Where a text stands and is not reported, another was reported that may hide it."""
    may_hide = hidden(texts)
    for native in (True, False):
        hits = Search(texts, native=native).find(buffer)
        assert hits == sorted(hits, key=lambda hit: hit[1])
        assert all(buffer[start:end] == texts[number] for number, start, end in hits)
        for number, text in enumerate(texts):
            at = buffer.find(text)
            reported = any(found == number and start == at for found, start, _ in hits)
            assert at < 0 or reported or any(s <= at < e and number in may_hide[found] for found, s, e in hits)


# ---- whole lines ----------------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=40)), st.integers(1, 50))
def test_whole_lines_are_those_of_the_splitter_in_any_pieces(pieces: list[bytes], cap: int) -> None:
    whole, splitter = WholeLines(cap), LineSplitter(cap)
    stretches = [stretch for piece in pieces for stretch in whole.feed(piece)]
    lines = [line[:cap] for buffer, start, end in stretches for line in buffer[start:end].split(b"\n")[:-1]]
    assert lines == [line for piece in pieces for line in splitter.feed(piece)]
    assert whole.rest == splitter.rest


def test_json_messages_are_found_whatever_is_escaped_in_them() -> None:
    said = json.dumps({"level": "info", "message": 'baked "12" no/op <loaves>'})
    for raw in (said, said.replace("/", "\\/"), said.replace("<", "\\u003c")):
        for expression in ("no/op", "no/op <loaves>", '"12" no', "baked", "p <loa"):
            assert scanned(rules(expression), raw.encode() + b"\n").matched == 1
