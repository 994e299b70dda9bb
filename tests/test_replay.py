"""A replay in chunks, with steps only where something may change, ends as one that steps for each fact does."""

from __future__ import annotations

import gzip
import io
import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from watcher.core.events import CaughtUp, DeadlineReached, LogRead
from watcher.core.orchestrator import step
from watcher.core.silence import next_deadline
from watcher.core.state import State
from watcher.core.view import view
from watcher.core.window import Window
from watcher.matcher import Matcher
from watcher.planning import replay_plan
from watcher.profile import Profile, load_profile, shipped_profiles
from watcher.recorded import CHUNK, Recorded
from watcher.replay import NO_TIME, Replay

FIRST = datetime(2023, 1, 1, tzinfo=UTC)
PROFILES = [load_profile(name) for name in shipped_profiles()]
WINDOW = Window(FIRST, FIRST + timedelta(days=3))
WORDS = {
    "INF ETL: Asset[1d]: ETLStore.Repair[{id}]: repairing {day} 00:00:00 +0000 UTC, {end} 00:00:00 +0000 UTC",
    "INF ETL: Asset[1d]: AggregatedStore.Run[{id}]: run: aggregated {window} from 40 to {rows} in 91.5µs",
    "INF Allocation[1d]: AggregatedStoreDriver[{id}]: run: aggregated {window} from 40 to {rows} in 91.5ms",
    "INF ETL: Allocation[1d]: ETLStore.Repair[{id}]: repairing {day} 00:00:00 +0000 UTC, {end} 00:00:00 +0000 UTC",
    "WRN ETL: Asset[1d]: Repair: error: cannot repair {window}: coverage is {window}",
    "INF ETL: CloudUsage[{key}]: Run[{id}]: QueryCloudUsage {window}",
    "INF ETL: CloudUsage[{key}]: Build[{id}]: coverage {window} (7.7 complete)",
    "INF ETL: Asset[1d]: Reconciliation[{key}]: Repair[{id}]: repair complete for {window}",
    "INF CloudCost[{key}]: ingestor: building window {window}",
    "DBG BuildWindow[{key}]: GetCloudCost: writing cloud costs for window {window}: {rows}",
    'INF Starting cost-model (git commit "1.99.0")',
    "INF nothing",
    "ERR CostDataRange: Request Error: 503 (Service Unavailable)",
    "no stamp of its own",
}


def log(dice: random.Random) -> list[bytes]:
    """Lines about days in and around the window, at moments that go forward, now and then by a long quiet."""
    now, lines = FIRST + timedelta(days=30), []
    for _ in range(dice.randint(1, 60)):
        now += timedelta(seconds=dice.choice((0, 1, 1, 5, 400, 2000)))
        start = FIRST + timedelta(days=dice.randint(-1, 3))
        end = start + timedelta(days=dice.choice((1, 1, 1, 3, 7)))
        values = {
            "id": dice.choice(("abcde", "fghij")),
            "key": dice.choice(("1/s3://a", "2/s3://b")),
            "day": f"{start:%Y-%m-%d}",
            "end": f"{end:%Y-%m-%d}",
            "window": f"[{start:%Y-%m-%d}T00:00:00+0000, {end:%Y-%m-%d}T00:00:00+0000)",
            "rows": dice.choice((0, 7)),
        }
        lines.append(f"{now:%Y-%m-%dT%H:%M:%SZ} {dice.choice(sorted(WORDS)).format(**values)}".encode())
    return lines


def plainly(profile: Profile, lines: list[bytes]) -> State:
    """One step for each line, at the time of the line."""
    plan, matcher, now = replay_plan(profile, WINDOW, "test"), Matcher(profile), NO_TIME
    state, _ = step(State.begin(plan), CaughtUp(now), now, plan)
    for line in lines:
        reading = matcher.read(line)
        now = max(now, reading.at or now)
        deadline = next_deadline(state, plan)
        if deadline is not None and deadline <= now:
            state, _ = step(state, DeadlineReached(), now, plan)
        facts = () if reading.fact is None else (reading.fact,)
        state, _ = step(state, LogRead(None, facts, 1, len(facts), reading.near_miss, 0, now), now, plan)
    return state


def replayed(profile: Profile, *paths: Path | str) -> Replay:
    replay = Replay(replay_plan(profile, WINDOW, "test"), Matcher(profile))
    replay.read(map(str, paths))
    return replay


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 1 << 30))
def test_steps_that_are_not_made_would_have_changed_nothing(
    tmp_path_factory: pytest.TempPathFactory, number: int
) -> None:
    dice = random.Random(number)
    profile, lines = dice.choice(PROFILES), log(dice)
    path = tmp_path_factory.getbasetemp() / "steps.log"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    assert view(replayed(profile, path).state, None) == view(plainly(profile, lines), None)


# ---- reading --------------------------------------------------------------------------------------------------------

LONG = b"".join(b"2023-01-05T08:00:00Z INF line %d \xff\n" % number for number in range(30_000))


def chunks(path: Path) -> bytes:
    source = Recorded(str(path))
    pieces = list(source.chunks())
    source.close()
    assert all(0 < len(piece) <= CHUNK for piece in pieces)
    return b"".join(pieces)


def _collect(source: Recorded, into: bytearray) -> None:
    for piece in source.chunks():
        into += piece


def test_a_log_is_read_in_chunks_compressed_or_not(tmp_path: Path) -> None:
    plain, compressed, members = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    plain.write_bytes(LONG)
    compressed.write_bytes(gzip.compress(LONG))
    half = len(LONG) // 2
    members.write_bytes(gzip.compress(LONG[:half]) + bytes(100) + gzip.compress(LONG[half:]))
    assert chunks(plain) == chunks(compressed) == chunks(members) == LONG


def test_a_compressed_log_that_is_cut_off_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(LONG)[:-20])
    source, got = Recorded(str(path)), bytearray()
    with pytest.raises(EOFError, match="cut off"):
        _collect(source, got)
    source.close()
    assert LONG.startswith(bytes(got))
    assert len(got) > len(LONG) * 0.9


def test_every_line_of_a_long_log_is_counted_once(tmp_path: Path) -> None:
    (tmp_path / "long.log").write_bytes(LONG)
    state = replayed(PROFILES[0], tmp_path / "long.log", tmp_path / "long.log").state
    assert state.log.lines == 60_000
    assert state.log.last_line_at == datetime(2023, 1, 5, 8, tzinfo=UTC)


def test_standard_input_is_read_in_the_pieces_in_which_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(LONG))))
    assert replayed(PROFILES[0], "-").state.log.lines == 30_000
