"""The state file: SQLite, one transaction per step.

A step's state, its journal, the cursor of the log and the outbox are written together or not at all, and are on the
disk (``synchronous=FULL``) before ``save`` returns; only then does the daemon act. A file that is damaged, or was
written by a newer version or by another program, is refused and left as it was. One daemon per file: an OS lock beside
it, which the kernel drops with the process.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Self

from pydantic import TypeAdapter, ValidationError

from watcher.core.commands import Record
from watcher.core.state import Message, Outbox, State
from watcher.errors import StateError

VERSION = 1
APPLICATION = 0x4B525057  # marks the file as ours ("KRPW")
_STATE = TypeAdapter(State)
_MESSAGES = TypeAdapter(list[Message])
_SCHEMA = """
create table run (number integer primary key, identity text not null, state text not null, cursor text);
create table journal (
    seq integer primary key, run integer not null, at text not null, kind text not null, stage text, day text,
    before text, after text, text text not null, evidence text);
create index journal_of_day on journal (run, stage, day);
create table outbox (run integer not null, number integer not null, message text not null, primary key (run, number));
"""


class BusyError(StateError):
    """Another daemon works with this state file."""

    exit_code = 75


class SaveError(StateError):
    """A step could not be written (disk full, read-only); nothing of it was. Trying again may help."""

    exit_code = 75


@dataclass(frozen=True, slots=True)
class Saved:
    """A run as it was last saved. ``identity`` is what the configuration must agree with to go on with it."""

    number: int
    identity: dict[str, Any]
    state: State
    cursor: str | None


class Store:
    """An open state file. Not for use by two threads at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: IO[str] | None = None
        self._db: sqlite3.Connection | None = None
        self._number = 0
        self._outbox: tuple[Message, ...] | None = None

    def open(self) -> Self:
        """Lock and open the file, creating it if it is absent.

        Raises BusyError if another daemon holds it, StateError if it is not ours, newer than this program, or damaged.
        """
        self._take_lock()
        try:
            if self.path.exists():
                check(self.path)
                self._refuse_unwritable()
            else:
                _create(self.path)
            self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            self._db.execute("pragma journal_mode=wal")
            self._db.execute("pragma synchronous=full")
        except sqlite3.Error as error:
            self.close()
            raise _unusable(self.path, error) from error
        except StateError:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Close the file and drop the lock."""
        if self._db is not None:
            self._db.close()
            self._db = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def load(self) -> Saved | None:
        """The latest run, None where there is none yet."""
        saved = _load(self._connection(), self.path)
        if saved is not None:
            self._number = saved.number
        return saved

    def begin(self, identity: dict[str, Any], state: State) -> None:
        """Write a new run beside the older ones; it is the current one from now on."""
        db = self._connection()
        with _transaction(db, self.path):
            number = (_scalar(db, "select max(number) from run") or 0) + 1
            db.execute("insert into run values (?, ?, ?, null)", (number, json.dumps(identity), _dump(state)))
        self._number = number
        self._outbox = None
        self.save(state, None, ())

    def save(self, state: State, cursor: str | None, records: Iterable[Record]) -> None:
        """Write one step. Raises SaveError if it could not be written; then nothing of it was."""
        db = self._connection()
        with _transaction(db, self.path):
            db.execute("update run set state=?, cursor=? where number=?", (_dump(state), cursor, self._number))
            db.executemany(
                "insert into journal (run, at, kind, stage, day, before, after, text, evidence)"
                " values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_row(self._number, record) for record in records],
            )
            if state.outbox.messages is not self._outbox:
                db.execute("delete from outbox where run=?", (self._number,))
                db.executemany(
                    "insert into outbox values (?, ?, ?)",
                    [
                        (self._number, message.number, _MESSAGES.dump_json([message]).decode())
                        for message in state.outbox.messages
                    ],
                )
        self._outbox = state.outbox.messages

    def _refuse_unwritable(self) -> None:
        """A file that only lacks permissions is no damaged one: nobody should be told to move it away."""
        if not _may_write(self.path):
            message = f"{self.path}: the state file cannot be written; make it writable for this user"
            raise StateError(message)

    def _connection(self) -> sqlite3.Connection:
        if self._db is None:
            message = f"{self.path}: the state file is not open"
            raise RuntimeError(message)
        return self._db

    def _take_lock(self) -> None:
        try:
            self._lock = _lock_file(self.path).open("a")
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.close()
            raise _busy(self.path) from error
        except OSError as error:
            message = f"{self.path}: the state file cannot be used ({error.strerror}); make its folder writable"
            raise StateError(message) from error


def refuse_if_busy(path: Path) -> None:
    """Raise BusyError while another daemon holds the state file; nothing is made or kept."""
    try:
        with _lock_file(path).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise _busy(path) from error
    except OSError:
        return  # there is none, or ``open`` will have the words for it


def _lock_file(path: Path) -> Path:
    return path.with_name(path.name + ".lock")


def _busy(path: Path) -> BusyError:
    return BusyError(f"{path}: another daemon works with this state file; stop it or give another state.path")


def read(path: Path) -> Saved | None:
    """The latest run in a state file, without lock and without writing; None where the file holds none."""
    check(path)
    with _reading(path) as db:
        return _load(db, path)


def journal(path: Path, stage: str, day: str) -> list[dict[str, Any]]:
    """The journal's lines for one day of the latest run, oldest first."""
    check(path)
    with _reading(path) as db:
        db.row_factory = sqlite3.Row
        rows = db.execute(
            "select at, kind, before, after, text, evidence from journal"
            " where run=(select max(number) from run) and stage=? and (day=? or day is null) order by seq",
            (stage, day),
        )
        return [dict(row) for row in rows]


def _create(path: Path) -> None:
    """Make an empty state file: whole under another name, then in its place, so that a kill leaves no half of one."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with closing(sqlite3.connect(fresh, isolation_level=None)) as db:
        db.executescript(
            f"begin; {_SCHEMA} pragma application_id={APPLICATION}; pragma user_version={VERSION}; commit;"
        )
    fresh.replace(path)


def check(path: Path) -> None:
    """Raise StateError unless the file is a sound state file of this version. Writes nothing."""
    if path.is_dir():
        message = f"{path}: this is a folder; state.path must name a file in it"
        raise StateError(message)
    try:
        with _reading(path) as db:
            version = int(_scalar(db, "pragma user_version") or 0)
            tables = int(_scalar(db, "select count(*) from sqlite_master") or 0)
            application = int(_scalar(db, "pragma application_id") or 0)
            sound = " ".join(str(_scalar(db, "pragma quick_check(1)")).split())
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    if not tables and not version:
        message = f"{path}: the state file is empty, it was cut off; move it away, then start with --new-run"
        raise StateError(message)
    if application != APPLICATION:
        message = f"{path}: this is a database of another program; give another state.path"
        raise StateError(message)
    if version > VERSION:
        message = f"{path}: written by a newer version (format {version}, this program knows {VERSION}); upgrade"
        raise StateError(message)
    if sound != "ok":
        message = f"{path}: the state file is damaged ({sound}); move it away, then start with --new-run"
        raise StateError(message)


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """The file, to read only.

    SQLite wants to write beside it even then. Where it may not, and no daemon has left a part of the state in the log
    beside it, the file alone is all there is.
    """
    beside = path.with_name(path.name + "-wal")
    alone = not _may_write(path.parent) and not (beside.exists() and beside.stat().st_size)
    options = "mode=ro&immutable=1" if alone else "mode=ro"
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?{options}", uri=True)) as db:
        yield db


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _load(db: sqlite3.Connection, path: Path) -> Saved | None:
    try:
        row = db.execute("select number, identity, state, cursor from run order by number desc limit 1").fetchone()
        if row is None:
            return None
        number, identity, text, cursor = row
        state = _STATE.validate_json(text)
        rows = db.execute("select message from outbox where run=? order by number", (number,)).fetchall()
        messages = tuple(message for (body,) in rows for message in _MESSAGES.validate_json(body))
        outbox: Outbox = replace(state.outbox, messages=messages)
        return Saved(number, json.loads(identity), replace(state, outbox=outbox), cursor)
    except (sqlite3.Error, ValidationError, ValueError) as error:
        raise _unusable(path, error) from error


def _dump(state: State) -> str:
    return _STATE.dump_json(replace(state, outbox=replace(state.outbox, messages=()))).decode()


def _row(number: int, record: Record) -> tuple[Any, ...]:
    day = record.day.isoformat() if record.day else None
    at = record.at.isoformat()
    head = (number, at, record.kind, record.stage, day, record.before, record.after)
    return (*head, record.text, record.evidence)


def _scalar(db: sqlite3.Connection, query: str) -> Any:  # noqa: ANN401  what SQLite answers
    row = db.execute(query).fetchone()
    return row[0] if row else None


@contextmanager
def _transaction(db: sqlite3.Connection, path: Path) -> Iterator[None]:
    try:
        db.execute("begin immediate")
        yield
        db.execute("commit")
    except sqlite3.Error as error:
        if db.in_transaction:
            db.execute("rollback")
        message = f"{path}: the state could not be saved ({error}); is the disk full or read-only?"
        raise SaveError(message) from error


def _unusable(path: Path, error: Exception) -> StateError:
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return StateError(f"{path}: the state file cannot be read ({first}); move it away, then start with --new-run")
