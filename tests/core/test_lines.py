"""Bytes to lines, stamps to nanoseconds."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.lines import LONGEST_LINE, LineSplitter, floor_second, moment_of, split_stamp

pieces = st.lists(
    st.binary(max_size=12) | st.sampled_from([b"\n", b"\n\n", b"a\nb", b"\r\n", b"\xe2\x80\xa8"]), max_size=30
)


def split(data: list[bytes], cap: int = LONGEST_LINE) -> tuple[list[bytes], bytes, int]:
    splitter = LineSplitter(cap)
    lines = [line for piece in data for line in splitter.feed(piece)]
    return lines, splitter.rest, splitter.truncated


@given(pieces)
def test_any_chunking_gives_the_lines_of_the_whole(chunks: list[bytes]) -> None:
    *lines, rest = b"".join(chunks).split(b"\n")
    assert split(chunks) == (lines, rest, 0)


@given(pieces, st.integers(min_value=1, max_value=6))
def test_any_chunking_cuts_long_lines_at_the_same_byte(chunks: list[bytes], cap: int) -> None:
    *lines, rest = b"".join(chunks).split(b"\n")
    too_long = sum(len(line) > cap for line in lines)
    assert split(chunks, cap) == ([line[:cap] for line in lines], rest[:cap], too_long)


def test_a_line_without_end_keeps_no_more_than_the_cap() -> None:
    splitter = LineSplitter()
    for _ in range(40):
        assert splitter.feed(b"x" * 65536) == []
    assert len(splitter.rest) == LONGEST_LINE
    assert splitter.truncated == 0
    (line,) = splitter.feed(b"y\n")
    assert line == b"x" * LONGEST_LINE
    assert splitter.truncated == 1
    assert splitter.feed(b"next\n") == [b"next"]


@pytest.mark.parametrize("content", [b"a\rb", b"a\x0cb", "a\u2028b\x85".encode(), b"a\x00b", b"\xff\xfe"])
def test_only_the_newline_splits(content: bytes) -> None:
    assert split([content + b"\n"]) == ([content], b"", 0)


SECOND = 1_700_000_000 * 10**9  # 2023-11-14T22:13:20Z

STAMPS = [
    (b"2023-11-14T22:13:20.000000000Z text", SECOND, b"text"),
    (b"2023-11-14T22:13:20.123456789Z text", SECOND + 123456789, b"text"),
    (b"2023-11-14T22:13:20Z text", SECOND, b"text"),
    (b"2023-11-14T22:13:20.5Z text", SECOND + 500_000_000, b"text"),
    (b"2023-11-15T00:13:20.000000001+02:00 text", SECOND + 1, b"text"),
    (b"2023-11-14T18:13:20.000000001-04:00 text", SECOND + 1, b"text"),
    (b"2023-11-15T03:43:20+05:30 text", SECOND, b"text"),
    (b"2023-11-14T22:13:20.000000000Z ", SECOND, b""),
    (b"2023-11-14T22:13:20.000000000Z  two spaces", SECOND, b" two spaces"),
    (b"2023-11-14T22:13:20.000000000Z \xff\x00\r", SECOND, b"\xff\x00\r"),
    (b"1969-12-31T23:59:59.999999999Z before", -1, b"before"),
]


@pytest.mark.parametrize(("line", "ns", "text"), STAMPS)
def test_a_stamp_is_taken_off_the_line(line: bytes, ns: int, text: bytes) -> None:
    assert split_stamp(line) == (ns, text)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"no stamp",
        b" 2023-11-14T22:13:20Z indented",
        b"2023-11-14T22:13:20.000000000Z",
        b"2023-11-14T22:13:20.000000000Z\ttab",
        b"2023-11-14 22:13:20Z space inside",
        b"2023-13-14T22:13:20Z thirteenth month",
        b"2023-02-29T22:13:20Z no leap year",
        b"2023-11-14T24:00:00Z no such hour",
        b"2023-11-14T22:13:20 no zone",
        b"2023-11-14T22:13:20.0000000000Z ten digits",
        b"2023-11-14T22:13:20+25:00 no such offset",
        b"failed to create fsnotify watcher: too many open files",
    ],
)
def test_anything_else_keeps_the_whole_line(line: bytes) -> None:
    assert split_stamp(line) == (None, line)


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)), st.integers(0, 999))  # noqa: DTZ001
def test_the_stamp_of_a_moment_gives_the_moment(naive: datetime, rest: int) -> None:
    moment = naive.replace(tzinfo=UTC)
    stamp = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond:06d}{rest:03d}Z x".encode()
    ns, text = split_stamp(stamp)
    assert text == b"x"
    assert ns is not None
    assert ns % 1000 == rest
    assert moment_of(ns) == moment
    assert moment_of(floor_second(ns)) == moment.replace(microsecond=0)
