"""Reading on after a break: each line once, whatever the stamps do."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.core import resume
from watcher.core.lines import SECOND, floor_second, moment_of
from watcher.core.resume import Key, Place, Resumption, Sieve, Trail, key_of

NOON = 1_700_000_000 * SECOND


def wire(ns: int, text: bytes) -> bytes:
    return f"{moment_of(ns):%Y-%m-%dT%H:%M:%S}.{ns % SECOND:09d}Z ".encode() + text


class Kubelet:
    """A log file as the log API serves it: from its beginning, without the lines stamped before ``since``."""

    def __init__(self, lines: list[tuple[int, bytes]]) -> None:
        self.lines = lines

    def serve(self, since: int | None) -> list[bytes]:
        return [wire(ns, text) for ns, text in self.lines if since is None or ns >= floor_second(since)]


class Reader:
    """Reads over many connections; ``delivered`` is what an owner of the log would compare with the file."""

    def __init__(self) -> None:
        self.trail = Trail()
        self.delivered: list[tuple[int, bytes]] = []
        self.lost_anchor = 0
        self.ambiguous = 0

    def connect(self, kubelet: Kubelet, cut: int, batch: int, *, crash: bool = False) -> None:
        if crash:
            self.trail = Trail.load(self.trail.here.dump(), now=0.0)
        resumption = self.trail.resume()
        self.ambiguous += resumption.ambiguous
        self.read(resumption, kubelet.serve(resumption.since)[:cut], batch)

    def read(self, resumption: Resumption, served: list[bytes], batch: int) -> None:
        sieve = Sieve(resumption)
        for start in range(0, len(served), batch):
            fresh = sieve.sift(served[start : start + batch])
            self.lost_anchor += bool(fresh and not sieve.anchored)
            if fresh:
                self.trail.move_to(self.trail.after([key for key, _ in fresh], now=float(len(self.delivered))))
                self.delivered += [(key[0], text) for key, text in fresh]


steps = st.one_of(
    st.just(0),  # equal stamps
    st.integers(1, 1000),
    st.integers(-30_000_000, 2 * SECOND),  # out of order: stdout and stderr are stamped apart
    st.integers(SECOND, 40 * SECOND),
)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(steps, st.sampled_from([b"", b"a", b"b", b"\xff"])), max_size=60),
    st.lists(st.tuples(st.integers(0, 80), st.integers(1, 7), st.booleans()), max_size=12),
)
def test_any_cuts_and_crashes_deliver_each_line_once(
    moves: list[tuple[int, bytes]], connections: list[tuple[int, int, bool]]
) -> None:
    """Equal stamps, out-of-order stamps, identical lines; after the last connection the whole file was read."""
    now, lines = NOON, []
    for step, text in moves:
        now += step
        lines.append((now, text))
    kubelet, reader = Kubelet(lines), Reader()
    for cut, batch, crash in connections:
        reader.connect(kubelet, cut, batch, crash=crash)
    reader.connect(kubelet, len(lines), 5, crash=True)
    assert reader.delivered == lines
    assert (reader.lost_anchor, reader.ambiguous) == (0, 0)


@given(st.integers(-29 * SECOND, -SECOND), st.integers(1, 40), st.booleans())
def test_a_clock_that_steps_back_within_the_overlap_costs_nothing(step: int, cut: int, crash: bool) -> None:
    lines = [(NOON + n * SECOND // 2, b"%d" % n) for n in range(20)]
    lines += [(NOON + 10 * SECOND + step + n * SECOND // 2, b"later %d" % n) for n in range(20)]
    reader = Reader()
    reader.connect(Kubelet(lines[:cut]), cut, 3)
    reader.connect(Kubelet(lines), 40, 3, crash=crash)
    assert reader.delivered == lines
    assert reader.ambiguous == 0


def test_a_rotation_between_two_connections_is_noticed_by_the_missing_last_line() -> None:
    lines = [(NOON + n, b"%d" % n) for n in range(20)]
    reader = Reader()
    reader.connect(Kubelet(lines[:8]), 8, 3)
    reader.connect(Kubelet(lines[12:]), 20, 3)
    assert reader.delivered == lines[:8] + lines[12:]
    assert reader.lost_anchor > 0


def test_a_server_that_ignores_since_time_repeats_nothing() -> None:
    lines = [(NOON + n * 20 * SECOND, b"%d" % n) for n in range(20)]
    reader = Reader()
    reader.connect(Kubelet(lines[:15]), 15, 4, crash=False)
    resumption = Trail.load(reader.trail.here.dump(), 0.0).resume()
    assert resumption.since is not None
    reader.read(resumption, Kubelet(lines).serve(None), 4)
    assert reader.delivered == lines


def test_a_text_without_stamp_is_no_line() -> None:
    """At the very start of a resumed stream it is the end of a line that is known; elsewhere it is kept apart."""
    resumed = Sieve(Resumption(NOON, Counter(), None))
    assert [text for _, text in resumed.sift([b"rest of a long line", wire(NOON, b"x"), b"rpc error"])] == [b"x"]
    assert resumed.strays == [b"rpc error"]
    first = Sieve(Resumption(None, Counter(), None))
    assert first.sift([b"unable to retrieve"]) == []
    assert first.strays == [b"unable to retrieve"]


def test_lines_of_the_next_container_that_came_under_the_old_name_are_not_repeated() -> None:
    reader = Reader()
    old = [(NOON + n, b"old %d" % n) for n in range(5)]
    early = [(NOON + 100 + n, b"new %d" % n) for n in range(3)]
    for at, lines in ((0.0, old), (50.0, early)):
        reader.trail.move_to(reader.trail.after([key_of(*line) for line in lines], at))
    for trail in (reader.trail.next(since=10.0), Trail.load(reader.trail.next(since=10.0).here.dump(), 0.0)):
        reader.trail = trail
        reader.delivered = []
        reader.connect(Kubelet([*early, (NOON + 200, b"new 3")]), 9, 2)
        assert reader.delivered == [(NOON + 200, b"new 3")]


def grown(count: int, step: int, pace: float = 1.0) -> tuple[Trail, list[Key]]:
    trail = Trail()
    keys = [key_of(NOON + n * step, b"%d" % n) for n in range(count)]
    for start in range(0, count, 1000):
        trail.move_to(trail.after(keys[start : start + 1000], pace * start / 1000))
    return trail, keys


def test_memory_is_bounded_by_count_and_by_age() -> None:
    trail, keys = grown(250_000, 1_000_000)
    assert sum(len(place.keys) for place in trail.here.chain()) <= resume.KEPT_KEYS
    assert trail.holds(keys[-1])
    assert not trail.holds(keys[0])
    slow, _ = grown(10_000, SECOND, pace=1000.0)
    assert len(list(slow.here.chain())) == 1


def test_a_dump_holds_the_largest_overlap_that_fits() -> None:
    trail, keys = grown(30_000, SECOND // 1000)  # 1000 lines a second: 30 s would be 30,000 keys
    loaded = Trail.load(trail.here.dump(), 0.0)
    resumption = loaded.resume()
    assert resumption.since is not None
    assert (NOON + 30 * SECOND - resumption.since) == 12 * SECOND
    assert resumption.seen == Counter(key for key in keys if key[0] >= resumption.since)
    assert len(trail.here.dump()) < 300_000


def test_a_burst_keeps_its_last_second_whole() -> None:
    trail, keys = grown(20_000, 10)
    resumption = Trail.load(trail.here.dump(), 0.0).resume()
    assert sum(resumption.seen.values()) == len(keys)


def test_a_clock_step_beyond_the_memory_is_said_to_be_ambiguous() -> None:
    trail = Trail()
    trail.move_to(trail.after([key_of(NOON + 3600 * SECOND, b"wrong clock")], 0.0))
    trail.move_to(trail.after([key_of(NOON, b"right clock")], 1000.0))
    for known in (trail, Trail.load(trail.here.dump(), 0.0)):
        resumption = known.resume()
        assert resumption.ambiguous
        assert resumption.since == NOON
    rewound = trail.rewind(NOON - 100 * SECOND)
    assert (rewound.since, rewound.ambiguous) == (NOON - 100 * SECOND, True)


def test_a_place_can_be_written_down_after_reading_went_on() -> None:
    trail, keys = grown(3000, SECOND // 100)
    place = trail.here
    before = place.dump()
    more = [key_of(NOON + 3600 * SECOND + n, b"x") for n in range(10)]
    trail.move_to(trail.after(more, 1e6))  # and the old places were forgotten
    after = Trail.load(place.dump(), 0.0).resume()
    assert after.anchor == keys[-1]
    assert before.split(" ")[1] == place.dump().split(" ")[1]
    assert not Trail.load(before, 0.0).holds(more[0])


def test_an_empty_place_resumes_from_the_beginning() -> None:
    assert Trail.load(Trail().here.dump(), 0.0).resume() == Resumption(None, Counter(), None)
    assert isinstance(Trail().here, Place)


@pytest.mark.parametrize(
    "text", ["", "x", "t2 - 0 ", "t1 zz 0 ", "t1 00 0 ", "t1 - x ", "t1 - 0 AAAA", "t1 - 0 *", "{}"]
)
def test_a_damaged_place_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a place in a log"):
        Trail.load(text, 0.0)


def test_two_hundred_random_histories_with_rotation_in_the_gap() -> None:
    """A rotation hides the oldest lines; what is left is delivered once and a loss is noticed."""
    for seed in range(200):
        rng = random.Random(seed)
        now, lines = NOON, []
        for n in range(rng.randrange(1, 120)):
            now += rng.choice([0, 1, rng.randrange(SECOND), -rng.randrange(30_000_000)])
            lines.append((now, b"line %d" % n))
        reader, written, first = Reader(), 0, 0
        expected: list[tuple[int, bytes]] = []
        while written < len(lines):
            written = min(len(lines), written + rng.randrange(1, 20))
            if rng.random() < 0.3:
                first = rng.randrange(first, written + 1)
            reader.connect(Kubelet(lines[first:written]), 1000, 4, crash=rng.random() < 0.5)
            expected += [line for line in lines[first:written] if line not in expected]
        assert reader.delivered == expected
        known = [lines.index(line) for line in expected]
        holes = sum(after - before > 1 for before, after in itertools.pairwise(known))
        assert reader.lost_anchor >= holes
