"""A block says of its lines what they say one by one, and is refused where it could not."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from watcher.core.blocks import Block, count_lines, key_of
from watcher.core.lines import LONGEST_LINE, SECOND, moment_of, split_stamp
from watcher.core.resume import KEPT_KEYS, Place, Sieve, Trail

NOON = 1_700_000_000 * SECOND


def line(ns: int, text: bytes) -> bytes:
    return f"{moment_of(ns):%Y-%m-%dT%H:%M:%S}.{ns % SECOND:09}Z ".encode() + text + b"\n"


def data_of(stamps: list[int]) -> bytes:
    return b"".join(line(ns, b"line %d" % number) for number, ns in enumerate(stamps))


def block_of(data: bytes) -> Block:
    block = Block.of(data)
    assert block is not None
    return block


stamps = st.lists(st.integers(0, 7200 * SECOND).map(lambda ns: NOON + ns), min_size=1, max_size=60)


@given(stamps)
def test_a_block_knows_its_lines(moments: list[int]) -> None:
    data = data_of(moments)
    block = block_of(data)
    lines = [split_stamp(each) for each in data.splitlines()]
    assert list(block.lines()) == lines
    assert block.keys() == tuple(key_of(ns or 0, text) for ns, text in lines)
    assert (block.count, block.first, block.last) == (len(moments), moments[0], lines[-1])


@given(stamps, st.integers(0, SECOND))
def test_its_bound_is_later_than_every_stamp_of_a_log_in_order_but_for_a_second(
    moments: list[int], jitter: int
) -> None:
    moments.sort()
    moments[1:-1] = [ns + (jitter if number % 2 else 0) for number, ns in enumerate(moments[1:-1])]
    assert block_of(data_of(moments)).bound >= max(moments)


def test_its_bound_is_exact_where_the_clock_was_set_back() -> None:
    moments = [NOON, NOON + 500 * SECOND, NOON - SECOND]
    assert block_of(data_of(moments)).bound == max(moments)


def test_the_bound_of_one_line_is_its_stamp() -> None:
    assert block_of(data_of([NOON])).bound == NOON


GOOD = data_of([NOON + number for number in range(200)])


@pytest.mark.parametrize(
    "data",
    [
        GOOD + b"no stamp\n",
        b"no stamp\n" + GOOD,
        GOOD + b"no stamp\n" + GOOD,
        GOOD + b"\n" + GOOD,
        GOOD + b"2023-11-14 22:13:20Z no stamp\n" + GOOD,
        line(NOON, b"x" * LONGEST_LINE) + GOOD,
    ],
    ids=["at the end", "at the beginning", "in the middle", "an empty line", "nearly", "long"],
)
def test_lines_that_must_be_taken_one_by_one_are_no_block(data: bytes) -> None:
    assert Block.of(data) is None


def test_an_hour_may_end_in_it() -> None:
    assert block_of(data_of([NOON + number * 60 * SECOND for number in range(200)])).count == 200


@given(st.binary(max_size=300))
def test_lines_are_counted_by_their_newlines(data: bytes) -> None:
    assert count_lines(data) == data.count(b"\n")


# ---- resuming by blocks ---------------------------------------------------------------------------------------------


def trails(batches: list[list[int]]) -> tuple[Trail, Trail]:
    """The same lines delivered in blocks, and one by one."""
    by_block, by_line = Trail(), Trail()
    for number, batch in enumerate(batches):
        block = block_of(data_of(batch))
        for trail, lines in ((by_block, block), (by_line, block.keys())):
            trail.move_to(trail.after(lines, float(number)))
    return by_block, by_line


@given(st.lists(stamps.map(sorted), min_size=1, max_size=6))
def test_a_place_is_written_down_and_resumed_as_if_lines_had_come_one_by_one(batches: list[list[int]]) -> None:
    by_block, by_line = trails(sorted(batches))
    assert by_block.here.dump() == by_line.here.dump()
    assert by_block.resume() == by_line.resume()
    assert Trail.load(by_block.here.dump(), 9.0).resume() == Trail.load(by_line.here.dump(), 9.0).resume()
    for key in by_line.here.keys:
        assert by_block.holds(key)
    assert not by_block.holds((NOON, b"unheard."))


def test_old_blocks_are_forgotten_and_their_bound_is_remembered() -> None:
    trail = Trail()
    per_block = 1000
    for number in range(KEPT_KEYS // per_block + 10):
        block = block_of(data_of([NOON + number * SECOND + each for each in range(per_block)]))
        trail.move_to(trail.after(block, 0.0))
    remembered = list(trail.here.chain())
    assert sum(place.count for place in remembered) <= KEPT_KEYS
    oldest = remembered[-1]
    assert oldest.forgotten >= NOON + 9 * SECOND + per_block - 1
    assert oldest.forgotten < oldest.keys[0][0] + SECOND


def test_a_sieve_is_open_when_everything_delivered_has_come_back() -> None:
    data = data_of([NOON + number for number in range(200)])
    trail = Trail()
    trail.move_to(trail.after(block_of(data), 0.0))
    sieve = Sieve(trail.resume())
    lines = data.splitlines()
    states = [sieve.is_open]
    for piece in (lines[:-1], lines[-1:]):
        assert sieve.sift(piece) == []
        states.append(sieve.is_open)
    assert states == [False, False, True]
    block = block_of(data_of([NOON + SECOND + number for number in range(200)]))
    sieve.let_through(block)
    assert sieve.last_seen == block.last


def test_a_sieve_of_a_first_connection_is_open_at_once() -> None:
    assert Sieve(Trail().resume()).is_open
    resumption = dataclasses.replace(Trail().resume(), seen=Counter({(NOON, b"12345678"): 1}))
    assert not Sieve(resumption).is_open


def test_a_place_behind_a_block_ends_in_its_last_line() -> None:
    block = block_of(GOOD)
    place = Place(block, 0.0, None)
    assert place.last == block.keys()[-1]
    assert (place.count, place.keys) == (200, block.keys())
