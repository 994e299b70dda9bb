"""The state file: what was saved comes back, what is not ours is refused and left alone, a kill loses no step."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from watcher.core.commands import Record
from watcher.core.events import Attached, Booted, CaughtUp, Epoch, OperatorAsked, TargetReady
from watcher.core.events import Move as Ask
from watcher.core.orchestrator import step
from watcher.core.plan import Destination, Evidence, Plan, StagePlan, StageRules
from watcher.core.state import State
from watcher.core.window import Window
from watcher.errors import StateError
from watcher.store import BusyError, SaveError, Store, check, journal, read

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PLAN = Plan(
    "a run",
    "some-profile",
    Window.of_days(date(2023, 1, 1), date(2023, 1, 3)),
    (StagePlan(StageRules("asset", prints_start=True, least=Evidence.WINDOW_DONE)),),
    destinations=(Destination("slack", frozenset({"run_started"})),),
)
IDENTITY = {"window": "w", "profile": "p", "stages": ["asset"]}


def running() -> tuple[State, tuple[Record, ...]]:
    """A state with a request open, a message in the outbox, and the journal of how it came about."""
    state, records = State.begin(PLAN), []
    epoch = Epoch("uid", "cid")
    for event in (Booted(), Attached(epoch, "pod"), TargetReady(epoch), CaughtUp(NOW)):
        state, commands = step(state, event, NOW, PLAN)
        records += [command for command in commands if isinstance(command, Record)]
    return state, tuple(records)


def test_what_was_saved_comes_back_whole(tmp_path: Path) -> None:
    """State, cursor, outbox and journal of a step are there after a restart."""
    state, records = running()
    store = Store(tmp_path / "w.db").open()
    store.begin(IDENTITY, State.begin(PLAN))
    store.save(state, "cursor-1", records)
    store.close()
    again = Store(tmp_path / "w.db").open()
    saved = again.load()
    again.close()
    assert saved is not None
    assert saved.state == state
    assert saved.state.outbox.messages
    assert saved.cursor == "cursor-1"
    assert saved.identity == IDENTITY
    assert journal(tmp_path / "w.db", "asset", "2023-01-02")[0]["after"] == "requested"


def test_a_new_run_stands_beside_the_old_one(tmp_path: Path) -> None:
    """The latest run is the current one; the journal of the old one stays in the file."""
    state, records = running()
    store = Store(tmp_path / "w.db").open()
    store.begin(IDENTITY, state)
    store.save(state, None, records)
    store.begin({**IDENTITY, "window": "other"}, replace(State.begin(PLAN), name="second"))
    store.close()
    saved = read(tmp_path / "w.db")
    assert saved is not None
    assert (saved.number, saved.state.name, saved.identity["window"]) == (2, "second", "other")
    with sqlite3.connect(tmp_path / "w.db") as db:
        assert db.execute("select count(*) from journal where run=1").fetchone()[0] == len(records)


def test_a_second_daemon_is_turned_away(tmp_path: Path) -> None:
    """One daemon per state file; the lock goes with its holder."""
    first = Store(tmp_path / "w.db").open()
    with pytest.raises(BusyError, match="another daemon"):
        Store(tmp_path / "w.db").open()
    assert BusyError.exit_code == 75
    first.close()
    Store(tmp_path / "w.db").open().close()


def foreign(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("create table other (a)")
    db.close()


def newer(path: Path) -> None:
    Store(path).open().close()
    with sqlite3.connect(path) as db:
        db.execute("pragma user_version=99")
    db.close()  # else the garbage collector does, and writes what stands beside the file into it


def damaged(path: Path) -> None:
    store = Store(path).open()
    store.begin(IDENTITY, running()[0])
    store.close()
    content = bytearray(path.read_bytes())
    content[4096:6144] = os.urandom(2048)
    path.write_bytes(content)


def nonsense(path: Path) -> None:
    path.write_bytes(b"this is no database at all, but it is somebody's file\n" * 50)


def wrong_state(path: Path) -> None:
    store = Store(path).open()
    store.begin(IDENTITY, running()[0])
    store.close()
    with sqlite3.connect(path) as db:
        db.execute("""update run set state='{"name": 1}'""")
    db.close()


def cut_off(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("spoil", [cut_off, foreign, newer, damaged, nonsense, wrong_state])
def test_a_file_that_is_not_usable_is_refused_and_left_as_it_was(tmp_path: Path, spoil: object) -> None:
    """Damaged, newer, or another program's: one line, exit 78, not one byte changed."""
    path = tmp_path / "w.db"
    spoil(path)  # type: ignore[operator]
    before = path.read_bytes()

    def use() -> None:
        store = Store(path).open()
        try:
            store.load()
        finally:
            store.close()

    with pytest.raises(StateError) as caught:
        use()
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    assert caught.value.exit_code == 78
    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    """The state file's folder must exist; nothing is created elsewhere."""
    with pytest.raises(StateError, match="cannot be used"):
        Store(tmp_path / "none" / "w.db").open()
    assert list(tmp_path.iterdir()) == []


def test_a_save_that_fails_writes_nothing(tmp_path: Path) -> None:
    """A journal that cannot be written takes the state with it: both or none."""
    state, records = running()
    store = Store(tmp_path / "w.db").open()
    store.begin(IDENTITY, State.begin(PLAN))
    with sqlite3.connect(tmp_path / "w.db") as db:
        db.execute("create trigger full before insert on journal begin select raise(abort, 'disk full'); end")
    db.close()
    with pytest.raises(SaveError, match="disk full"):
        store.save(state, "c", records)
    store.close()
    saved = read(tmp_path / "w.db")
    assert saved is not None
    assert saved.state == State.begin(PLAN)
    assert saved.cursor is None


def test_reading_takes_no_lock_and_writes_nothing(tmp_path: Path) -> None:
    """``watcher status`` looks at a state file that a daemon has open."""
    store = Store(tmp_path / "w.db").open()
    store.begin(IDENTITY, running()[0])
    saved = read(tmp_path / "w.db")
    check(tmp_path / "w.db")
    store.close()
    assert saved is not None
    assert saved.state.stage("asset").requests == 1


@contextmanager
def without_rights() -> Iterator[None]:
    """Be somebody to whom permissions apply."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_that_only_lacks_permissions_can_be_read_and_is_not_to_be_moved_away(tmp_path: Path) -> None:
    store = Store(tmp_path / "w.db").open()
    store.begin(IDENTITY, running()[0])
    store.close()
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.geteuid() and len(folder.parts) > 2:
            folder.chmod(0o755)
    (tmp_path / "w.db.lock").chmod(0o666)
    (tmp_path / "w.db").chmod(0o444)
    tmp_path.chmod(0o555)
    with without_rights():
        saved = read(tmp_path / "w.db")
        with pytest.raises(StateError, match="cannot be written; make it writable") as caught:
            Store(tmp_path / "w.db").open()
    tmp_path.chmod(0o755)
    assert saved is not None
    assert saved.state.stage("asset").requests == 1
    assert "move it away" not in str(caught.value)


WRITER = """
    import sys
    from dataclasses import replace
    from pathlib import Path
    from watcher.core.events import OperatorAsked, Move
    sys.path.insert(0, sys.argv[2])
    import test_store
    from watcher.store import Store
    store = Store(Path(sys.argv[1])).open()
    state, records = test_store.running()
    store.begin(test_store.IDENTITY, state)
    for number in range(1, 100000):
        state = replace(state, next_request=number)
        store.save(state, str(number), records)
        sys.stdout.write(f"{number}\\n")
        sys.stdout.flush()
"""


@pytest.mark.parametrize("after", [1, 7, 40])
def test_a_kill_at_any_moment_leaves_a_whole_step(tmp_path: Path, after: int) -> None:
    """SIGKILL while saving: the file is sound, holds what was reported saved or the step after it, never a mixture."""
    script = textwrap.dedent(WRITER)
    command = [sys.executable, "-c", script, str(tmp_path / "w.db"), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        reported = [int(writer.stdout.readline()) for _ in range(after)][-1]
        writer.send_signal(signal.SIGKILL)
        rest = [int(line) for line in writer.stdout.read().split()]
    reported = max([reported, *rest])
    store = Store(tmp_path / "w.db").open()
    saved = store.load()
    store.close()
    assert saved is not None
    assert saved.cursor == str(saved.state.next_request)
    assert reported <= saved.state.next_request <= reported + 1


def test_an_operators_word_is_in_the_journal(tmp_path: Path) -> None:
    """Who steered, and why, can be read later."""
    state, _ = running()
    state, commands = step(state, OperatorAsked(Ask.PAUSE, "billing export is late"), NOW, PLAN)
    store = Store(tmp_path / "w.db").open()
    store.begin(IDENTITY, state)
    store.save(state, None, tuple(command for command in commands if isinstance(command, Record)))
    store.close()
    with sqlite3.connect(tmp_path / "w.db") as db:
        texts = [row[0] for row in db.execute("select text from journal")]
    assert any("billing export is late" in text for text in texts)
