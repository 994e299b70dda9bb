"""What must hold in every run, whatever goes wrong: each law has a name, and is checked all along against the truth.

The truth is what the simulated Kubecost did (``ledger.py``), what its containers logged (``line_book.py``), what
arrived at its door and what people were told; never what the daemon believes. Of requests: ``request_laws.py``.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from datetime import date, datetime, timedelta

from watcher.core.commands import Notify, Record
from watcher.core.events import Attached, CaughtUp, EpochChanged, GapFound, Move
from watcher.core.moves import ENDED_RUN, DayStatus, RunStatus
from watcher.core.outbox import GIVE_UP_AFTER
from watcher.core.plan import Evidence, Plan
from watcher.core.state import Day, Stage, State
from watcher.simulator.law import Breach, Law
from watcher.simulator.ledger import Ledger, Outcome
from watcher.simulator.line_book import LineBook
from watcher.simulator.request_laws import RequestLaws
from watcher.sources import LinesRead, SourceEvent

_CONTAINER = re.compile(r'"container": "([^"]*)"')  # in a cursor of the cluster source, before the long part of it
_PLACE = re.compile(r'"place": "t1 ([0-9a-f]{32})')  # the last line before it
_KEY = struct.Struct(">q8s")
_TOLD = frozenset({RunStatus.HELD, RunStatus.FAILED, RunStatus.DONE})
_TRUTH = {
    DayStatus.DONE: (Law.DONE_IS_TRUE, Outcome.DONE),
    DayStatus.EMPTY: (Law.EMPTY_IS_TRUE, Outcome.EMPTY),
    DayStatus.FAILED: (Law.FAILED_IS_TRUE, Outcome.FAILED),
}


class Laws:
    """Watches one run over all lives of the daemon. ``begin``: the daemon's clock at 0 s."""

    def __init__(
        self, plan: Plan, ledger: Ledger, book: LineBook, seconds: Callable[[], float], begin: datetime
    ) -> None:
        self.breaches: list[Breach] = []
        self._plan = plan
        self.saved = State.begin(plan)
        self._ledger = ledger
        self._book = book
        self._seconds = seconds
        self._begin = begin
        self.requests = RequestLaws(ledger, self.fail)
        self._let_go: set[str] = set()  # stages that he skipped unclear: their lines may come later all the same
        self._posted: dict[tuple[int, str], datetime] = {}
        self._caught_up: list[tuple[float, datetime]] = []  # when it was said, and up to when
        self._gaps: list[float] = []  # when one was told
        self._delivered: set[tuple[int, str]] = set()

    def fail(self, law: Law, text: str) -> None:
        """Note that a law did not hold."""
        self.breaches.append(Breach(law, self._seconds(), text))

    def asked_at(self, name: str) -> datetime | None:
        """When the open request of a stage was decided, by the daemon's clock."""
        held = self.saved.stage(name).open
        return held.requested_at if held is not None else None

    def steered(self, move: Move, stage: str | None, day: date | None) -> None:
        """A person decides, by what he is shown: what was retried may be asked for again.

        A skip of what is at work lets nothing go out.
        """
        chosen = [one for one in self.saved.stages if stage in (None, one.name)]
        unclear = {one.name for one in chosen if one.count(DayStatus.UNCLEAR) or one.count(DayStatus.FAILED)}
        if move in {Move.RETRY, Move.APPROVE} or (move is Move.SKIP and unclear):
            self.requests.meddled()
        if move is Move.SKIP:
            self._let_go |= unclear
        if move is Move.RETRY:
            self.requests.retried({(one.name, each) for one in chosen for each in one.days if day in (None, each)})

    # ---- states -----------------------------------------------------------------------------------------------------

    def kept(self, state: State, cursor: str | None, records: tuple[Record, ...]) -> None:
        """A state is on the disk."""
        before, self.saved = self.saved, state
        named = _CONTAINER.search(cursor, 0, 500) if cursor is not None else None
        place = _PLACE.search(cursor, 0, 500) if cursor is not None else None
        if place is not None and not self._book.has_read(_KEY.unpack(bytes.fromhex(place[1]))):
            self.fail(Law.CURSOR_NEVER_LEADS, "the saved cursor names a line that the daemon has not read")
        self._book.keep(named[1] if named is not None else None)
        for record in records:
            if record.kind == "illegal" and not record.text.startswith(tuple(Move)):
                self.fail(Law.NO_ILLEGAL_MOVE, f"{record.stage} {record.day} {record.text}")
        if state.stages is not before.stages:
            for old, new in zip(before.stages, state.stages, strict=True):
                if new.days is not old.days:
                    self._check_days(old, new)
        if state.outbox.messages is not before.outbox.messages:
            for message in state.outbox.messages:
                self._posted.update(dict.fromkeys(((message.number, name) for name in message.deliveries), message.at))
        if state.status is not before.status:
            self._check_told(before, state)

    def _check_days(self, old: Stage, new: Stage) -> None:
        for day, known in new.days.items():
            if known.status is old.days[day].status:
                continue
            self._check_silence(old, day, known)
            if known.status in _TRUTH:
                law, outcome = _TRUTH[known.status]
                life = new.open.epoch.container_id if new.open is not None and new.open.epoch is not None else ""
                if (
                    not self.requests.doubled
                    and not self._is_mixed(new.name, life)
                    and not any(
                        # A failure of a block of days fails those of the next request too, where a person went on.
                        (repair.days.get(day) is outcome or outcome is Outcome.FAILED in repair.days.values())
                        and repair.life == life
                        for repair in self._ledger.repairs
                        if repair.stage == new.name
                    )
                ):
                    inferred = ", concluded" if known.inferred else ""
                    self.fail(law, f"{new.name} {day} is called {known.status}{inferred}: {known.evidence}")

    def _is_mixed(self, name: str, life: str) -> bool:
        """True where a person skipped a reconciliation that was silent for too long, and Kubecost is at it yet.

        It writes allocations with the same lines.
        """
        return name == "allocation" and any(
            repair.stage == "reconciliation" and repair.life == life and repair.stage in self._let_go
            for repair in self._ledger.repairs
        )

    def _check_silence(self, stage: Stage, day: date, known: Day) -> None:
        """A silence counts only when the log was looked at after it; as quiet, only when nothing of it is missing.

        ``stage`` is as it was before, ``known`` what the day is called now: the next request may be open already.
        """
        held, rules = stage.open, self._plan.stage(stage.name)
        quiet = known.status is DayStatus.DONE and known.inferred and rules.rules.least is Evidence.QUIET
        if held is None or not (quiet or known.status is DayStatus.UNCLEAR):
            return
        patience = rules.patience.day if held.active or held.again else rules.patience.start
        until = held.silent_since + (rules.patience.quiet if quiet else patience)
        told = next((told for told, upto in self._caught_up if upto >= until), None)
        if told is None:
            self.fail(
                Law.SILENCE_IS_HEARD, f"{stage.name} {day} is {known.status}, nobody looked after {until:%H:%M:%S}"
            )
        elif quiet and any(self._true(held.requested_at) < gap < told for gap in self._gaps):
            self.fail(Law.SILENCE_IS_HEARD, f"{stage.name} {day} is called done by a quiet with a gap in it")

    def _true(self, moment: datetime) -> float:
        """A time of the daemon's clock in seconds since the beginning."""
        return (moment - self._begin).total_seconds()

    def _check_told(self, before: State, state: State) -> None:
        if state.status in _TOLD and state.outbox.next_number == before.outbox.next_number:
            self.fail(Law.PEOPLE_ARE_TOLD, f"the run is {state.status} ({state.reason}), and nobody is told")
        if state.status is RunStatus.HELD and not state.reason:
            self.fail(Law.ENDS_WITH_A_REASON, "the run holds without a reason")

    # ---- messages ---------------------------------------------------------------------------------------------------

    def tells(self, notify: Notify) -> None:
        """A message leaves the daemon."""
        if (notify.message, notify.destination) not in self._posted:
            self.fail(Law.SAVE_THEN_ACT, f"message {notify.message} left before it was saved")

    def delivered(self, notify: Notify) -> None:
        """A destination has it, whatever the daemon was told."""
        self._delivered.add((notify.message, notify.destination))

    # ---- the log ----------------------------------------------------------------------------------------------------

    def emitted(self, event: SourceEvent) -> None:
        """The source handed this to the daemon."""
        match event:
            case LinesRead(epoch, lines) if lines and epoch is not None:
                wrong, own = self._book.take(epoch.container_id, lines)
                if wrong is not None:
                    self.fail(Law.EACH_LINE_ONCE, wrong)
                if not own and any(stage.open is not None and stage.open.epoch == epoch for stage in self.saved.stages):
                    self.fail(Law.FILED_WHERE_IT_BELONGS, f"lines of another life, while {epoch} has a request open")
            case LinesRead():
                self._book.take("", ())
            case Attached(epoch) if epoch is not None:
                self._book.follow(epoch.container_id)
            case EpochChanged(epoch):
                self._book.speak_of(epoch.container_id)
            case GapFound(gap):
                self._gaps.append(self._seconds())
                self._book.miss(gap)
            case CaughtUp(upto):
                self._caught_up.append((self._seconds(), upto))
                if lost := self._book.missing(self._true(upto)):
                    self.fail(Law.HEARD_IS_HEARD, f"caught up to {upto:%H:%M:%S.%f}, without {lost}")
            case _:
                pass

    def read(self) -> None:
        """The daemon took a batch of lines out of its queue."""
        self._book.read()

    # ---- ends -------------------------------------------------------------------------------------------------------

    def died(self) -> None:
        """This life of the daemon is over: what it did not save never happened."""
        self.requests.died()
        self._book.forget()

    def ended(self, heard_until: float | None) -> None:
        """The run is over. ``heard_until``: every line logged before must have been heard; None: nothing is."""
        state = self.saved
        if state.status not in ENDED_RUN | {RunStatus.HELD}:
            self.fail(Law.ENDS_WITH_A_REASON, f"the run is still {state.status} ({state.reason})")
        elif state.status is not RunStatus.DONE and not state.reason:
            self.fail(Law.ENDS_WITH_A_REASON, f"the run is {state.status} without a reason")
        now = self._begin + timedelta(seconds=self._seconds())
        waiting = {(message.number, name) for message in state.outbox.messages for name in message.deliveries}
        for letter, at in self._posted.items():
            if letter not in self._delivered | waiting and now - at < GIVE_UP_AFTER:
                self.fail(Law.OUTBOX, f"message {letter[0]} to {letter[1]} was neither delivered nor kept")
        if heard_until is not None and (lost := self._book.missing(heard_until)):
            self.fail(Law.NEVER_DEAF, f"not heard after so long: {lost}")
