"""Commands as users type them: what they print, and one clear line with the right exit code for every mistake."""

from __future__ import annotations

import gzip
import json
import os
import socket
import sqlite3
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from watcher.cli import invoke
from watcher.store import Store

WINDOW = "2023-01-01T00:00:00Z,2023-01-04T00:00:00Z"
REPLAY = ("replay", "--profile", "kubecost-1.99", "--window", WINDOW)
TOO_LONG = "x" * 300
CONFIG = f"""
version: 1
window: {WINDOW}
profile: kubecost-1.99
kubecost: {{url: "http://127.0.0.1:9/model"}}
state: {{path: watcher.db}}
server: {{listen: null}}
"""
ASSETS = """\
INF ETL: Asset[1d]: ETLStore.Repair[qWert]: repairing 2023-01-01 00:00:00 +0000 UTC, 2023-01-04 00:00:00 +0000 UTC
INF ETL: Asset[1d]: AggregatedStore.Run[zUiop]: run: aggregated [2023-01-01T00:00:00+0000, 2023-01-02T00:00:00+0000) from 40 to 7 in 91.5µs
INF ETL: Asset[1d]: AggregatedStore.Run[zUiop]: run: aggregated [2023-01-02T00:00:00+0000, 2023-01-03T00:00:00+0000) from 41 to 8 in 1.5ms
INF ETL: Asset[1d]: AggregatedStore.Run[zUiop]: run: aggregated [2023-01-03T00:00:00+0000, 2023-01-04T00:00:00+0000) from 42 to 9 in 1m2.5s
"""  # noqa: E501  as logs are
LAST = (
    "INF ETL: Asset[1d]: AggregatedStore.Run[zUiop]: run: aggregated "
    "[2023-01-03T00:00:00+0000, 2023-01-04T00:00:00+0000) from 42 to 9 in 1m2.5s\n"
)
REFUSED = (
    "WRN ETL: Asset[1d]: Repair: error: cannot repair [2023-01-01T00:00:00+0000, 2023-01-04T00:00:00+0000): "
    "coverage is [2023-02-01T00:00:00+0000, 2023-03-01T00:00:00+0000)\n"
)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WATCHER_CONFIG", raising=False)


def written(name: str, text: str | bytes) -> str:
    Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
    return name


def stage(out: str, name: str) -> dict[str, object]:
    found: dict[str, object] = next(each for each in json.loads(out)["stages"] if each["name"] == name)
    return found


def test_replay_prints_the_status_document(capsys: pytest.CaptureFixture[str]) -> None:
    """Counts, rows, durations and evidence; options may stand before or after the command."""
    written("pod.log", ASSETS)
    assert invoke(["-o", "json", *REPLAY, "pod.log"]) == 3
    before = capsys.readouterr().out
    assert invoke([*REPLAY, "pod.log", "-o", "json"]) == 3
    after = capsys.readouterr().out
    assert before == after
    asset = stage(after, "asset")
    assert (asset["state"], asset["days_done"]) == ("done", 3)
    days = asset["days"]
    assert isinstance(days, list)
    assert [(day["rows_in"], day["rows_out"], day["seconds"]) for day in days] == [
        (40, 7, 9.15e-05),
        (41, 8, 0.0015),
        (42, 9, 62.5),
    ]
    assert days[0]["evidence"].startswith("ETL: Asset[1d]: AggregatedStore.Run[zUiop]")
    assert stage(after, "allocation")["state"] == "pending"


def test_replay_reads_several_files_in_order_and_gzip(capsys: pytest.CaptureFixture[str]) -> None:
    """A log that was cut in two files, one of them compressed, reads like one."""
    first, rest = ASSETS.split("\n", 1)
    written("a.log.gz", gzip.compress((first + "\n").encode()))
    written("b.log", rest)
    assert invoke([*REPLAY, "-o", "json", "a.log.gz", "b.log"]) == 3
    assert stage(capsys.readouterr().out, "asset")["state"] == "done"


def test_a_refusal_in_a_log_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    """The run that the log is of has failed; the advice says what to check."""
    first = ASSETS.split("\n", maxsplit=1)[0] + "\n"
    written("pod.log", first + REFUSED)
    assert invoke([*REPLAY, "-o", "json", "pod.log"]) == 1
    asset = stage(capsys.readouterr().out, "asset")
    assert asset["state"] == "failed"
    assert "coverage" in str(asset["reason"])
    assert "metrics" in str(asset["reason"]).lower()


@pytest.mark.parametrize(
    ("name", "content", "warns"),
    [
        ("empty.log", b"", "no complete line"),
        ("binary.log", bytes(range(256)) * 50 + b"\n", "text log"),
        ("cut.log", ASSETS.encode()[:-5], "cut off"),
        ("cut-in-a-character.log", ASSETS.encode()[: ASSETS.encode().index(b"\xb5")], "cut off"),
        ("cut.log.gz", gzip.compress(ASSETS.encode())[:-9], "ended early"),
    ],
)
def test_a_log_that_is_odd_is_read_as_far_as_it_goes(
    name: str, content: bytes, warns: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One warning, exit 3, no claim that goes beyond what was read."""
    written(name, content)
    assert invoke([*REPLAY, "-o", "json", name]) == 3
    out, err = capsys.readouterr()
    assert warns in err
    assert err.count("\n") == 1
    assert stage(out, "asset")["days_done"] != 3 or name.endswith(".gz")


def test_a_cut_line_is_never_evidence(capsys: pytest.CaptureFixture[str]) -> None:
    """`from 42 to 9` may have been `from 42 to 95`: a line without its end is not counted."""
    written("pod.log", ASSETS.removesuffix("\n"))
    assert invoke([*REPLAY, "-o", "json", "pod.log"]) == 3
    assert stage(capsys.readouterr().out, "asset")["days_done"] == 2


MISTAKES = [
    (["nonsense"], 2, "nonsense"),
    (["run", "--nonsense"], 2, "--nonsense"),
    ([*REPLAY, "no.log"], 2, "no.log"),
    ([*REPLAY, "."], 2, "."),
    (["replay", "--profile", "kubecost-1.99", "--window", "yesterday", "x"], 2, "yesterday"),
    (
        ["replay", "--profile", "kubecost-1.99", "--window", "2023-02-30T00:00:00Z,2023-03-04T00:00:00Z", "x"],
        2,
        "2023-02-30",
    ),
    (
        ["replay", "--profile", "kubecost-1.99", "--window", "2023-01-04T00:00:00Z,2023-01-01T00:00:00Z", "x"],
        2,
        "2023-01-04",
    ),
    (
        ["replay", "--profile", "kubecost-1.99", "--window", "2023-01-01T00:00:00Z,2023-01-04T12:00:00Z", "x"],
        2,
        "2023-01-04T12",
    ),
    (["replay", "--profile", "kubecost-0.1", "--window", WINDOW, "x"], 78, "kubecost-0.1"),
    (["replay", "x"], 78, "config"),
    (["run"], 78, "config"),
    (["plan", "-f", "no.yaml"], 78, "no.yaml"),
    (["check", "-f", "no.yaml"], 78, "no.yaml"),
    (["status", "-f", "good.yaml"], 78, "watcher.db"),
    (["status", "--url", "http://127.0.0.1:9"], 75, "127.0.0.1:9"),
    (["status", "--url", "ftp://x"], 2, "ftp://x"),
    (["simulate", "--scenario", "nope"], 2, "nope"),
    (["run", "-f", "today.yaml"], 4, "--force"),
    (["plan", "-f", "today.yaml"], 4, "--force"),
    (["run", "-f", "broken.yaml"], 78, "broken.yaml:"),
    (["run", "-f", "damaged.yaml"], 78, "damaged.db"),
    (["patterns", "test", "--profile", "bad-pattern.yaml"], 78, "bad-pattern.yaml"),
    (["patterns", "test", "--profile", "kubecost-1.99", "no.log"], 2, "no.log"),
    (["simulate", "--speed", "nan"], 2, "nan"),
    # Names that the system does not even look up.
    ([*REPLAY, TOO_LONG], 2, "too long"),
    (["patterns", "test", "--profile", "kubecost-1.99", TOO_LONG], 2, "too long"),
    (["replay", "--profile", f"{TOO_LONG}.yaml", "--window", WINDOW, "x"], 78, "too long"),
    (["status", "--state", TOO_LONG], 78, "too long"),
    (["check", "-f", "bomb.yaml"], 78, "bomb.yaml:1: stands for more than 100,000 values"),
    (["check", "-f", "stranger.yaml"], 78, "stranger.yaml: notify: destination 'foo'"),
]


@pytest.mark.parametrize(("args", "code", "names"), MISTAKES, ids=[" ".join(args)[:60] for args, _, _ in MISTAKES])
def test_a_mistake_is_one_clear_line_and_leaves_nothing(
    args: list[str], code: int, names: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """File or option, place, what is wrong; the documented exit code; no traceback; no file written."""
    written("x", "")
    written("good.yaml", CONFIG)
    written("today.yaml", CONFIG.replace("2023-01-01", "2098-01-01").replace("2023-01-04", "2099-01-01"))
    written("broken.yaml", CONFIG + "notify: [\n")
    written("damaged.yaml", CONFIG.replace("watcher.db", "damaged.db"))
    written("damaged.db", b"not a database " * 1000)
    written("stranger.yaml", CONFIG + "notify: [{url: 'foo://bar'}]\n")
    aliases = [f"{name}: &{name} [{', '.join(9 * [f'*{before}'])}]" for before, name in pairwise("abcdefghi")]
    written("bomb.yaml", "\n".join(["a: &a [x, x, x]", *aliases]))
    written("bad-pattern.yaml", "version: 1\nname: bad\npatterns: [{id: a, regex: '('}]\n")
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    assert invoke(args) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert names in err
    assert "Traceback" not in err
    lines = err.strip().splitlines()
    assert lines
    assert all(line.startswith("watcher: ") for line in lines)
    after = {path.name: path.read_bytes() for path in Path().iterdir() if path.suffix != ".lock"}
    assert after == before


def test_an_output_that_cannot_be_written_is_one_line_too() -> None:
    written("pod.log", ASSETS)
    command = [sys.executable, "-m", "watcher", *REPLAY, "-o", "json", "pod.log"]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 75
    assert ended.stderr.splitlines()[-1].startswith("watcher: standard output: cannot be written (No space left")
    assert "Traceback" not in ended.stderr


def test_signs_that_the_output_lacks_are_replaced() -> None:
    written("pod.log", ASSETS)
    command = [sys.executable, "-m", "watcher", *REPLAY, "pod.log"]
    narrow = dict(os.environ, PYTHONIOENCODING="ascii")
    ended = subprocess.run(command, env=narrow, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (3, "")
    assert "asset" in ended.stdout


def test_a_command_that_needs_another_word_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    assert invoke(["patterns"]) == 2
    assert "\nCommands:\n  test " in capsys.readouterr().err


def test_a_second_daemon_is_told_so_before_its_port_is_found_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        written("config.yaml", CONFIG.replace("listen: null", f"listen: 127.0.0.1:{port}"))
        first = Store(Path("watcher.db")).open()
        assert invoke(["run", "--once"]) == 75
        first.close()
    assert "another daemon works with this state file" in capsys.readouterr().err


def test_check_reports_every_error_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Three mistakes, three lines, each with file and line number."""
    written(
        "config.yaml", CONFIG.replace("profile:", "profil:").replace("version: 1", "version: 7") + "chunk_days: 0\n"
    )
    assert invoke(["check"]) == 78
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) >= 3
    assert all("config.yaml:" in line for line in lines)
    assert any("profile" in line and "profil" in line for line in lines)


def test_a_stage_that_stands_twice_does_not_hide_one_that_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    """Both are told at once."""
    written("config.yaml", CONFIG + "stages: [asset, bogus, asset]\n")
    assert invoke(["check"]) == 78
    err = capsys.readouterr().err
    assert "twice" in err
    assert "bogus" in err


def test_check_accepts_the_example_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Its secret files are there in a pod, not here."""
    example = Path(__file__).parent.parent / "config.example.yaml"
    assert invoke(["check", "-f", str(example)]) == 0
    assert capsys.readouterr().err == ""


def test_check_of_a_good_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    """Every shipped profile is proven by its samples too."""
    written("config.yaml", CONFIG)
    assert invoke(["check"]) == 0
    out = capsys.readouterr().out
    for name in ("kubecost-1.99", "kubecost-1.100", "kubecost-1.106", "kubecost-2"):
        assert name in out


@pytest.mark.parametrize("schema", ["config", "patterns"])
def test_check_prints_a_json_schema(schema: str, capsys: pytest.CaptureFixture[str]) -> None:
    """For editors."""
    assert invoke(["check", "--schema", schema]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["type"] == "object"
    assert "version" in document["properties"]


def test_plan_lists_every_request_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    """Chunks, days, and the URL exactly as it would be sent."""
    written("config.yaml", CONFIG + "chunk_days: 2\nstages: [asset, allocation]\n")
    assert invoke(["plan", "-o", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)["requests"]
    assert [(row["stage"], row["days"]) for row in rows] == [
        ("asset", ["2023-01-01", "2023-01-02"]),
        ("asset", ["2023-01-03"]),
        ("allocation", ["2023-01-01", "2023-01-02"]),
        ("allocation", ["2023-01-03"]),
    ]
    assert rows[1]["url"] == (
        "http://127.0.0.1:9/model/etl/asset/repair?window=2023-01-03T00:00:00Z,2023-01-04T00:00:00Z"
    )
    assert invoke(["plan"]) == 0
    assert capsys.readouterr().out.count("GET http") == 4
    assert not Path("watcher.db").exists()


def test_a_state_file_of_a_newer_version_is_refused_and_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 78, and not one byte changed."""
    written("config.yaml", CONFIG)
    with sqlite3.connect("watcher.db") as db:
        db.execute(f"pragma application_id={0x4B525057}")
        db.execute("create table run (number)")
        db.execute("pragma user_version=99")
    db.close()
    before = Path("watcher.db").read_bytes()
    assert invoke(["run", "--once"]) == 78
    err = capsys.readouterr().err
    assert "newer" in err
    assert Path("watcher.db").read_bytes() == before


def test_patterns_test_tells_hits_misses_and_where_matching_stopped(capsys: pytest.CaptureFixture[str]) -> None:
    """A line in words that the profile does not know is a near miss, with the place where it parts."""
    odd = "INF ETL: Asset[1d]: AggregatedStore.Run[zUiop]: run: summarised [2023-01-03T00:00:00+0000, x)\n"
    written("pod.log", ASSETS + odd + "INF something else\n")
    assert invoke(["patterns", "test", "--profile", "kubecost-1.99", "-o", "json", "pod.log"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["lines"], document["matched"], document["ignored"], document["missed"]) == (6, 4, 1, 1)
    assert "summarised" in document["near_misses"][0]["text"]
    assert invoke(["patterns", "test", "--profile", "kubecost-1.99", "--print-missed", "pod.log"]) == 0
    out = capsys.readouterr().out
    assert "something else" in out
    assert "run: " in out


def test_version_says_what_is_shipped(capsys: pytest.CaptureFixture[str]) -> None:
    """For bug reports."""
    assert invoke(["version", "-o", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["profiles"] == ["kubecost-1.100", "kubecost-1.106", "kubecost-1.99", "kubecost-2"]


def held_run() -> None:
    """A state file whose run holds because a day was emptied."""
    from datetime import UTC, date, datetime

    from watcher import preflight
    from watcher.cli.options import Settings
    from watcher.core.events import (
        Attached,
        Booted,
        CaughtUp,
        Epoch,
        Event,
        Fact,
        LogRead,
        Meaning,
        RequestAccepted,
        TargetReady,
    )
    from watcher.core.orchestrator import step
    from watcher.core.state import State
    from watcher.core.window import Window
    from watcher.store import Store

    config, _, plan = Settings().load_plan()
    now, epoch = datetime(2026, 3, 1, tzinfo=UTC), Epoch("u", "c")
    start = Fact(Meaning.REPAIR_STARTED, "p", "repairing", "asset", window=plan.window, resolution="1d", id="a")
    day = Window.of_days(date(2023, 1, 2), date(2023, 1, 2))
    empty = Fact(Meaning.WINDOW_DONE, "p", "0 to 0", "asset", window=day, resolution="1d", rows_in=0, rows_out=0)
    events: list[Event] = [
        Booted(),
        Attached(epoch, "pod"),
        TargetReady(epoch),
        CaughtUp(now),
        RequestAccepted(1, "ok"),
    ]
    state = State.begin(plan)
    for event in [*events, LogRead(epoch, (start, empty), 2)]:
        state, _ = step(state, event, now, plan)
    store = Store(config.state_path).open()
    store.begin(preflight.identity(plan), state)
    store.close()


def test_a_held_run_is_steered_while_no_daemon_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """Approve ends the hold and keeps its reason; what is not possible now is refused with the reason, exit 4."""
    written("config.yaml", CONFIG)
    held_run()
    assert invoke(["resume"]) == 4
    assert "not paused" in capsys.readouterr().err
    assert invoke(["approve", "--reason", "the day had no metrics, we know"]) == 0
    assert "running" in capsys.readouterr().out
    assert invoke(["status", "-o", "json"]) == 0
    asset = stage(capsys.readouterr().out, "asset")
    assert isinstance(asset["days"], list)
    assert asset["days"][1]["state"] == "skipped"
    assert "the day had no metrics" in asset["days"][1]["reason"]
    assert invoke(["pause", "--reason", "billing export is late"]) == 0
    assert invoke(["abort"]) == 0
    capsys.readouterr()
    assert invoke(["run", "--once"]) == 5


def test_retry_takes_a_stage_and_a_day(capsys: pytest.CaptureFixture[str]) -> None:
    """The emptied day waits to be requested again; another day has no reason to."""
    written("config.yaml", CONFIG)
    held_run()
    assert invoke(["retry", "--stage", "asset", "--day", "2023-01-02", "--reason", "metrics are back"]) == 0
    capsys.readouterr()
    assert invoke(["status", "-o", "json"]) == 0
    days = stage(capsys.readouterr().out, "asset")["days"]
    assert isinstance(days, list)
    assert [day["state"] for day in days] == ["requested", "pending", "requested"]
    assert invoke(["skip", "--stage", "nonsense"]) == 4


def test_steering_without_a_state_file_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is created."""
    written("config.yaml", CONFIG)
    assert invoke(["approve"]) == 78
    assert "watcher run" in capsys.readouterr().err
    assert not Path("watcher.db").exists()


def test_no_command_at_all_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr, with the exit code of a usage error."""
    assert invoke([]) == 2
    assert "Commands:" in capsys.readouterr().err
