"""The states of a day, a stage and a run, and every move between them that is allowed.

Rule 1: whatever changes a state goes through these tables. An illegal move is reported and changes nothing
(``turn.py``); the diagram in the docs is printed from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class DayStatus(StrEnum):
    """Where one day of one stage stands."""

    PENDING = "pending"  # not asked for yet, or what was asked for is void
    REQUESTED = "requested"  # in a request that was sent, or is about to be
    RUNNING = "running"  # the log shows work on it
    DONE = "done"
    EMPTY = "empty"  # the store of this day was written with nothing in it
    FAILED = "failed"
    UNCLEAR = "unclear"  # silence for longer than the patience
    SKIPPED = "skipped"  # a person decided so
    REFUSED = "refused"  # its request was refused


class StageStatus(StrEnum):
    """Where one stage stands."""

    PENDING = "pending"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    HELD = "held"
    SKIPPED = "skipped"


class RunStatus(StrEnum):
    """Where the run stands."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    HELD = "held"
    DONE = "done"
    FAILED = "failed"
    ABORTED = "aborted"


_D, _S, _R = DayStatus, StageStatus, RunStatus

DAY_MOVES: Mapping[DayStatus, frozenset[DayStatus]] = {
    _D.PENDING: frozenset({_D.REQUESTED, _D.SKIPPED}),
    _D.REQUESTED: frozenset(set(_D) - {_D.REQUESTED}),
    # Refused: lines of an ordinary run may come before the answer.
    _D.RUNNING: frozenset({_D.DONE, _D.EMPTY, _D.FAILED, _D.UNCLEAR, _D.PENDING, _D.SKIPPED, _D.REFUSED}),
    # A new provider reopens it, a new epoch voids what was only concluded, a later line can take it back.
    _D.DONE: frozenset({_D.RUNNING, _D.PENDING, _D.EMPTY, _D.FAILED}),
    _D.EMPTY: frozenset({_D.PENDING, _D.SKIPPED}),
    _D.FAILED: frozenset({_D.PENDING, _D.SKIPPED}),
    _D.UNCLEAR: frozenset({_D.RUNNING, _D.DONE, _D.EMPTY, _D.FAILED, _D.PENDING, _D.SKIPPED}),
    _D.SKIPPED: frozenset({_D.PENDING}),
    _D.REFUSED: frozenset({_D.PENDING, _D.SKIPPED}),
}

STAGE_MOVES: Mapping[StageStatus, frozenset[StageStatus]] = {
    _S.PENDING: frozenset({_S.RUNNING, _S.DONE, _S.HELD, _S.SKIPPED}),
    _S.RUNNING: frozenset({_S.DONE, _S.FAILED, _S.HELD, _S.SKIPPED}),
    _S.HELD: frozenset({_S.RUNNING, _S.DONE, _S.FAILED, _S.SKIPPED}),
    _S.DONE: frozenset({_S.RUNNING}),  # a provider that nobody knew of, or a person's retry
    _S.FAILED: frozenset({_S.RUNNING, _S.SKIPPED}),
    _S.SKIPPED: frozenset({_S.RUNNING}),
}

RUN_MOVES: Mapping[RunStatus, frozenset[RunStatus]] = {
    _R.PENDING: frozenset(set(_R) - {_R.PENDING}),
    _R.RUNNING: frozenset({_R.PAUSED, _R.HELD, _R.DONE, _R.FAILED, _R.ABORTED}),
    # What was asked for before the pause may finish the run in it: nothing is left to pause.
    _R.PAUSED: frozenset({_R.RUNNING, _R.HELD, _R.DONE, _R.FAILED, _R.ABORTED}),
    _R.HELD: frozenset({_R.RUNNING, _R.PAUSED, _R.DONE, _R.FAILED, _R.ABORTED}),
    _R.DONE: frozenset(),
    _R.FAILED: frozenset({_R.RUNNING, _R.ABORTED}),  # a person's retry or skip
    _R.ABORTED: frozenset(),
}

UNSETTLED = frozenset({_D.REQUESTED, _D.RUNNING})  # of these Kubecost still owes us a line
TO_DO = frozenset({_D.PENDING})
ENDED_STAGE = frozenset({_S.DONE, _S.FAILED, _S.SKIPPED})
ENDED_RUN = frozenset({_R.DONE, _R.FAILED, _R.ABORTED})
