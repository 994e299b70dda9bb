"""A person who looks after the run: mostly nobody does, sometimes he decides what the daemon must not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from watcher.core.events import Move, OperatorAsked
from watcher.core.moves import RunStatus
from watcher.core.operator import objection
from watcher.core.state import HoldKind, State
from watcher.simulator.machine import Machine

LONGEST_LIFE = 1200.0
"""Seconds after which he has gone home."""


class Person:
    """Steers by what the page shows, at most ``moves`` times. ``note`` is told what he does.

    Told to make sure that Kubecost is over with something, he does: ``is_at_work`` is what he sees when he looks.
    """

    def __init__(self, rng: Random, moves: int, note: Callable[[str], None], is_at_work: Callable[[], bool]) -> None:
        self._rng = rng
        self.moves_left = moves
        self._note = note
        self._is_at_work = is_at_work

    @property
    def is_there(self) -> bool:
        """True while he may still do something."""
        return self.moves_left > 0 and asyncio.get_running_loop().time() < LONGEST_LIFE

    def would_move(self, state: State) -> bool:
        """True where he could end the rest of this run."""
        return state.status in {RunStatus.HELD, RunStatus.FAILED}

    async def look_after(self, machine: Machine, told: Callable[[OperatorAsked], None]) -> None:
        """Look at this machine now and then; ``told`` is called before a move is made."""
        while True:
            await asyncio.sleep(self._rng.uniform(5.0, 120.0))
            move = self._choose(machine.daemon.state)
            if move is None or not (self.is_there or move.move is Move.RESUME):  # he goes home, but not from a pause
                continue
            self.moves_left -= move.move is not Move.RESUME
            self._note(f"{move.move} {move.stage or ''} {move.day or ''}".rstrip())
            told(move)
            await machine.daemon.put(move)

    def _choose(self, state: State) -> OperatorAsked | None:
        """A move that the page allows now."""
        if state.status is RunStatus.PAUSED:
            moves = [Move.RESUME]
        elif state.status in {RunStatus.HELD, RunStatus.FAILED}:
            moves = [Move.APPROVE, Move.RETRY, Move.RETRY, Move.SKIP]
        elif self._rng.random() < 0.15:
            moves = [Move.PAUSE, Move.PAUSE, Move.RETRY, Move.SKIP, Move.SKIP, Move.SKIP, Move.ABORT]
        else:
            return None
        if state.hold is not None and state.hold.kind is HoldKind.ABANDONED and self._is_at_work():
            moves.remove(Move.APPROVE)
        asked = OperatorAsked(self._rng.choice(moves), "because he says so", *self._choose_days(state))
        return asked if objection(state, asked) is None else None

    def _choose_days(self, state: State) -> tuple[str | None, None]:
        if state.hold is not None and state.hold.stage is not None:
            return state.hold.stage, None
        if self._rng.random() < 0.4:
            return None, None
        at_work = [stage.name for stage in state.stages if stage.unsettled()]
        return self._rng.choice(at_work or [stage.name for stage in state.stages]), None
