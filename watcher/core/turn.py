"""One turn of ``step``: the state as it changes, and the commands that come of it.

Every change of a state passes through here, so this is where the tables of ``moves.py`` are enforced and where the
journal is written. Nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from watcher.core.commands import Command, Record
from watcher.core.moves import (
    DAY_MOVES,
    ENDED_RUN,
    ENDED_STAGE,
    RUN_MOVES,
    STAGE_MOVES,
    DayStatus,
    RunStatus,
    StageStatus,
)
from watcher.core.plan import Plan, StagePlan
from watcher.core.state import Day, Delivery, Hold, HoldKind, Message, Open, Stage, State


class Turn:
    """The workspace of one call of ``step``; thrown away afterwards."""

    def __init__(self, state: State, now: datetime, plan: Plan, *, more: bool = False) -> None:
        self.state = state
        self.now = now
        self.plan = plan
        self.more = more
        self.commands: list[Command] = []
        self._days: dict[str, dict[date, Day]] = {}  # copies made in this turn; only they are changed in place

    # ---- reading

    def stage(self, name: str) -> Stage:
        """The stage as it stands in this turn."""
        return self.state.stage(name)

    def rules(self, name: str) -> StagePlan:
        """The plan of a stage."""
        return self.plan.stage(name)

    def providers(self, name: str) -> frozenset[str]:
        """Every provider that a day of this stage must be covered by, as far as is known."""
        return known_providers(self.state, self.plan, name)

    def stamp(self, at: datetime | None) -> datetime | None:
        """The time to write beside a change: the line's own, else now; in a replay there is no now."""
        return at if at is not None or self.plan.replay else self.now

    # ---- changing

    def set(self, **changes: Any) -> None:  # noqa: ANN401  the fields of State, checked by replace()
        """Change fields of the state."""
        self.state = replace(self.state, **changes)

    def set_log(self, **changes: Any) -> None:  # noqa: ANN401
        """Change what is known of the log."""
        self.state = replace(self.state, log=replace(self.state.log, **changes))

    def set_stage(self, name: str, **changes: Any) -> None:  # noqa: ANN401
        """Change fields of a stage other than its status."""
        stages = tuple(replace(stage, **changes) if stage.name == name else stage for stage in self.state.stages)
        self.state = replace(self.state, stages=stages)

    def set_open(self, name: str, **changes: Any) -> None:  # noqa: ANN401
        """Change fields of the open request of a stage, where there is one."""
        held: Open | None = self.stage(name).open
        if held is not None:
            self.set_stage(name, open=replace(held, **changes))

    def set_day(self, name: str, day: date, **changes: Any) -> Day:  # noqa: ANN401
        """Change fields of a day other than its status."""
        days = self.stage(name).days
        if days is not self._days.get(name):
            self._days[name] = days = dict(days)
            self.set_stage(name, days=days)
        days[day] = changed = replace(days[day], **changes)
        return changed

    def move_day(self, name: str, day: date, status: DayStatus, reason: str | None = None, **changes: Any) -> bool:  # noqa: ANN401
        """Move a day to ``status`` with its reason; False where the table does not allow it, and nothing changed."""
        before = self.stage(name).days[day]
        if before.status is status:
            self.set_day(name, day, reason=reason, **changes)
            return True
        if status not in DAY_MOVES[before.status]:
            self._illegal(f"day {before.status} -> {status}", name, day)
            return False
        after = self.set_day(name, day, status=status, reason=reason, **changes)
        self.record("day", reason or status, name, day, before.status, status, after.evidence)
        return True

    def move_stage(self, name: str, status: StageStatus, reason: str | None = None, **changes: Any) -> bool:  # noqa: ANN401
        """Move a stage to ``status`` with its reason; False where the table does not allow it."""
        before = self.stage(name).status
        if before is status:
            self.set_stage(name, reason=reason, **changes)
            return True
        if status not in STAGE_MOVES[before]:
            self._illegal(f"stage {before} -> {status}", name)
            return False
        self.set_stage(name, status=status, reason=reason, **changes)
        self.record("stage", reason or status, name, None, before, status)
        return True

    def move_run(self, status: RunStatus, reason: str | None = None) -> bool:
        """Move the run to ``status`` with its reason; False where the table does not allow it."""
        before = self.state.status
        if before is status:
            self.set(reason=reason)
            return True
        if status not in RUN_MOVES[before]:
            self._illegal(f"run {before} -> {status}")
            return False
        finished = self.stamp(self._last_at()) if status in ENDED_RUN else None
        self.set(status=status, reason=reason, finished_at=finished)
        self.record("run", reason or status, None, None, before, status)
        return True

    def hold(
        self, kind: HoldKind, reason: str, stage: str | None = None, emptied: frozenset[date] = frozenset()
    ) -> bool:
        """Make the run stand still until a person (or what ``kind`` says) ends it. The first hold keeps its reason.

        Returns True where this call began the hold, so that the caller tells people. A run that has ended holds no
        more.
        """
        if self.state.status in ENDED_RUN:
            return False
        if stage is not None and self.stage(stage).status not in ENDED_STAGE:
            self.move_stage(stage, StageStatus.HELD, reason)
        current = self.state.hold
        if current is not None and not _outranks(kind, current.kind):
            return False
        if not self.move_run(RunStatus.HELD, reason):
            return False
        self.set(hold=Hold(kind, reason, since=self.now, told_at=self.now, stage=stage, emptied=emptied))
        return True

    def release(self, why: str) -> None:
        """End the hold: the run and every stage that stood still go on. What is still wrong holds anew, and is told."""
        if self.state.hold is None:
            return
        for stage in self.state.stages:
            if stage.status is StageStatus.HELD:
                self.move_stage(stage.name, StageStatus.RUNNING)
        self.set(hold=None)
        if self.state.status is RunStatus.HELD:
            self.go_on()
        self.record("run", f"hold ended: {why}")

    def go_on(self, reason: str | None = None) -> None:
        """Set the run going again; where a person paused it, it stays paused."""
        self.move_run(RunStatus.RUNNING, reason)
        if self.state.paused is not None:
            self.move_run(RunStatus.PAUSED, self.state.paused)

    # ---- telling

    def tell(self, kinds: Iterable[str], severity: str, title: str, body: str) -> None:
        """Put a message into the outbox for every destination that wants one of ``kinds``; once each."""
        wanted = frozenset(kinds)
        deliveries = {to.name: Delivery(next_at=self.now) for to in self.plan.destinations if to.events & wanted}
        self.record("note", title)
        if not deliveries:
            return
        outbox = self.state.outbox
        message = Message(outbox.next_number, self.now, title, body, severity, deliveries)
        messages = (*outbox.messages, message)
        self.set(outbox=replace(outbox, messages=messages, next_number=outbox.next_number + 1))

    def record(  # the columns of the journal
        self,
        kind: str,
        text: str,
        stage: str | None = None,
        day: date | None = None,
        before: str | None = None,
        after: str | None = None,
        evidence: str | None = None,
    ) -> None:
        """Write a line of the journal."""
        self.commands.append(Record(self.now, kind, text, stage, day, before, after, evidence))

    def _illegal(self, what: str, stage: str | None = None, day: date | None = None) -> None:
        self.record("illegal", f"not allowed, nothing changed: {what}", stage, day)

    def _last_at(self) -> datetime | None:
        if not self.plan.replay:
            return None
        ends = [stage.finished_at for stage in self.state.stages if stage.finished_at is not None]
        return max(ends, default=None)


def _outranks(new: HoldKind, old: HoldKind) -> bool:
    """A decision is told even while the run holds for silence or blindness: more must happen to end it."""
    return new is HoldKind.DECISION and old is not HoldKind.DECISION


def known_providers(state: State, plan: Plan, name: str) -> frozenset[str]:
    """The providers that a day of this stage must be covered by; none where the stage does not work by provider."""
    stage = plan.stage(name)
    return (state.providers | stage.providers) if stage.rules.per_provider else frozenset()


def spell(window_days: list[date]) -> str:
    """Days as people write them: ``2023-01-01``, ``2023-01-01..2023-01-03``, or a list of such."""
    runs: list[tuple[date, date]] = []
    for day in sorted(window_days):
        if runs and day - runs[-1][1] == timedelta(days=1):
            runs[-1] = (runs[-1][0], day)
        else:
            runs.append((day, day))
    return ", ".join(str(first) if first == last else f"{first}..{last}" for first, last in runs)
