"""Builders for facts and plans, and ``Talk``: a conversation with the core that reads from top to bottom.

No line of Kubecost is needed here: facts are built directly, days are numbered from 1 (2023-01-01).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

from pydantic import TypeAdapter

from watcher.core.commands import Command, Confirm, Notify, Record, Request
from watcher.core.events import (
    Attached,
    Booted,
    CaughtUp,
    DeadlineReached,
    Epoch,
    EpochChanged,
    Event,
    Fact,
    Gap,
    GapFound,
    LogRead,
    Meaning,
    Move,
    NotificationSent,
    OperatorAsked,
    RequestAccepted,
    StreamLost,
    TargetReady,
)
from watcher.core.moves import UNSETTLED, DayStatus, RunStatus, StageStatus
from watcher.core.orchestrator import step
from watcher.core.plan import Destination, Evidence, Patience, Plan, StagePlan, StageRules
from watcher.core.silence import next_deadline
from watcher.core.state import HoldKind, State
from watcher.core.window import Window, midnight

T0 = datetime(2023, 2, 1, 12, tzinfo=UTC)
E1, E2, E3 = (Epoch(f"pod-{number}", f"container-{number}") for number in (1, 2, 3))
STATES = TypeAdapter(State)
BUSY = 20  # steps at one moment that are still no busy loop

PATIENCE = Patience(start=timedelta(minutes=10), day=timedelta(hours=2), quiet=timedelta(minutes=5))
ASSET = StageRules("asset", prints_start=True, least=Evidence.WINDOW_DONE, hourly=True)
ALLOCATION = StageRules("allocation", prints_start=True, least=Evidence.NEXT_STARTED, hourly=True)
USAGE = StageRules("cloudUsage", prints_start=False, least=Evidence.QUIET, per_provider=True, widens=True)
RECONCILIATION = StageRules(
    "reconciliation", prints_start=False, least=Evidence.REPAIR_ENDED, per_provider=True, widens=True
)
INBOX = Destination(
    "inbox", frozenset({"run_started", "stage_done", "run_done", "failed", "held", "unclear", "restarted"})
)


def day(number: int) -> date:
    """Day 1 is 2023-01-01."""
    return date(2022, 12, 31) + timedelta(days=number)


def days(first: int, last: int | None = None) -> Window:
    """The window of these days, both included."""
    return Window.of_days(day(first), day(first if last is None else last))


def hour(number: int, of: int) -> Window:
    """One hour of a day."""
    start = midnight(day(of)) + timedelta(hours=number)
    return Window(start, start + timedelta(hours=1))


def staged(
    rules: StageRules,
    *,
    chunk: int | None = None,
    providers: tuple[str, ...] = (),
    wait_hourly: bool = False,
    patience: Patience = PATIENCE,
) -> StagePlan:
    return StagePlan(rules, patience, chunk, frozenset(providers), wait_hourly)


def plan_of(
    *stages: StageRules | StagePlan, last: int = 3, attempts: int = 3, inbox: bool = False, replay: bool = False
) -> Plan:
    """A plan of days 1 to ``last``."""
    plans = tuple(stage if isinstance(stage, StagePlan) else staged(stage) for stage in stages)
    return Plan(
        name="run",
        profile="test",
        window=days(1, last),
        stages=plans,
        max_attempts=attempts,
        destinations=(INBOX,) if inbox else (),
        replay=replay,
    )


# ---- facts ----------------------------------------------------------------------------------------------------------


def fact(meaning: Meaning, stage: str | None, window: Window | None, **fields: object) -> Fact:
    """A fact with a line that names what it is."""
    line = f"{meaning} {stage} {window} {fields or ''}".strip()
    made = Fact(meaning, str(meaning), line, stage, window=window)
    return replace(made, **fields)  # type: ignore[arg-type]  # the fields of Fact, by name


def started(stage: str, first: int, last: int | None = None, mark: str | None = "aaaaa", **fields: object) -> Fact:
    """The pipeline's own start line."""
    return fact(Meaning.REPAIR_STARTED, stage, days(first, last), **{"resolution": "1d", "id": mark, **fields})


def begun(stage: str, number: int, **fields: object) -> Fact:
    """Work on one day began."""
    return fact(Meaning.DAY_STARTED, stage, days(number), **{"resolution": "1d", **fields})


def written(stage: str, number: int, rows: tuple[int, int] = (19, 3), **fields: Any) -> Fact:
    """The set of one day was written."""
    more = {"resolution": "1d", "rows_in": rows[0], "rows_out": rows[1], "seconds": 0.5, **fields}
    return fact(Meaning.WINDOW_DONE, stage, days(number), **more)


def ended(stage: str, number: int, provider: str | None = None, **fields: object) -> Fact:
    """The pipeline says that the repair of this day is complete."""
    return fact(Meaning.REPAIR_ENDED, stage, days(number), provider=provider, **{"resolution": "1d", **fields})


def active(stage: str, first: int, last: int | None = None, provider: str | None = None, **fields: object) -> Fact:
    """The pipeline works on this window."""
    return fact(Meaning.ACTIVITY, stage, days(first, last), provider=provider, **fields)


# ---- the conversation -----------------------------------------------------------------------------------------------


class Talk:
    """A core, told one thing after the other. Every step is checked for what must hold always (``_check``).

    ``attends``: a ``Confirm`` is answered by ``CaughtUp`` at once. ``lenient``: illegal moves are expected.
    """

    def __init__(self, plan: Plan, state: State | None = None, now: datetime = T0, *, lenient: bool = False) -> None:
        self.plan = plan
        self.state = state or State.begin(plan)
        self.now = now
        self.epoch: Epoch | None = E1
        self.attends = True
        self.lenient = lenient
        self.requests: list[Request] = []
        self.records: list[Record] = []
        self.notes: list[Notify] = []
        self.confirms = 0
        self.last: tuple[Command, ...] = ()

    # ---- telling it

    def tell(self, event: Event) -> Self:
        """One step at the present moment; messages are delivered and confirmations given at once."""
        self.state, commands = step(self.state, event, self.now, self.plan)
        self.last = commands
        self._check()
        answers: list[Event] = []
        for command in commands:
            match command:
                case Request():
                    self.requests.append(command)
                case Record():
                    self.records.append(command)
                case Notify():
                    self.notes.append(command)
                    answers.append(NotificationSent(command.message, command.destination))
                case Confirm():
                    self.confirms += 1
                    answers += [CaughtUp(self.now)] if self.attends else []
        for answer in answers:
            self.tell(answer)
            commands += self.last
        self.last = commands
        return self

    def up(self) -> Self:
        """Boot, find the container, read its backlog."""
        self.tell(Booted()).tell(Attached(self.epoch, "pod")).tell(TargetReady(self.epoch))
        return self.tell(CaughtUp(self.now))

    def heard(self, *facts: Fact, epoch: Epoch | str | None = "now", info_lines: int | None = None) -> Self:
        """These facts, in one batch, stamped now unless they bring a stamp of their own."""
        source = self.epoch if isinstance(epoch, str) else epoch
        stamped = tuple(
            each if each.at is not None else replace(each, at=self.now, stamped_by_runtime=True) for each in facts
        )
        lines = len(facts) if info_lines is None else info_lines
        return self.tell(LogRead(source, stamped, len(facts), len(facts), 0, lines, self.now))

    def accepted(self) -> Self:
        """Kubecost takes the last request."""
        return self.tell(RequestAccepted(self.requests[-1].request, "200"))

    def asked(self, move: Move, stage: str | None = None, number: int | None = None) -> Self:
        """A person steers."""
        return self.tell(OperatorAsked(move, "because", stage, None if number is None else day(number)))

    def blind(self, cause: str = "connection reset") -> Self:
        return self.tell(StreamLost(cause))

    def heals(self) -> Self:
        """The stream is open again and all of it was read."""
        return self.tell(Attached(self.epoch, "pod")).tell(CaughtUp(self.now))

    def loses(self, cause: str = "no one knows") -> Self:
        return self.tell(GapFound(Gap(None, None, cause)))

    def restarts(self, epoch: Epoch = E2, cause: str = "OOMKilled") -> Self:
        """The container dies; the next one has not been read yet and is not ready."""
        self.epoch = epoch
        return self.tell(EpochChanged(epoch, cause))

    def comes_back(self) -> Self:
        """The new container's log was read to its end, and it is ready."""
        return self.heals().tell(TargetReady(self.epoch))

    def wait(self, **how_long: float) -> Self:
        """Let time pass; every deadline on the way is met."""
        end = self.now + timedelta(**how_long)
        steps = 0
        while (due := next_deadline(self.state, self.plan)) is not None and due <= end:
            steps = steps + 1 if due <= self.now else 0
            assert steps < BUSY, f"busy loop at {self.now}: deadline {due}"
            self.now = max(self.now, due)
            self.tell(DeadlineReached())
        self.now = end
        return self

    # ---- looking at it

    def status(self, stage: str, number: int) -> str:
        return str(self.state.stage(stage).days[day(number)].status)

    def statuses(self, stage: str) -> str:
        """The days of a stage in order, as one text."""
        return " ".join(str(known.status) for _, known in sorted(self.state.stage(stage).days.items()))

    def expect(self, stage: str, first: int, last: int | None = None, *, attempt: int = 1) -> Self:
        """The last step asked for exactly this."""
        sent = [command for command in self.last if isinstance(command, Request)]
        assert [(each.stage, each.window, each.attempt) for each in sent] == [(stage, days(first, last), attempt)]
        return self

    def expect_nothing(self) -> Self:
        """The last step asked for nothing."""
        assert [command for command in self.last if isinstance(command, Request)] == []
        return self

    def expect_held(self, kind: HoldKind, *words: str) -> Self:
        """The run stands still, and the reason says these words."""
        assert self.state.status is RunStatus.HELD
        assert self.state.hold is not None
        assert self.state.hold.kind is kind
        for word in words:
            assert word in self.state.hold.reason
        return self

    def expect_going(self) -> Self:
        """The run runs, nothing holds it."""
        assert (self.state.status, self.state.hold) == (RunStatus.RUNNING, None)
        return self

    def titles(self) -> list[str]:
        """The titles of all messages so far."""
        return [note.title for note in self.notes]

    def illegal(self) -> list[Record]:
        return [record for record in self.records if record.kind == "illegal"]

    # ---- what must hold always

    def _check(self) -> None:
        illegal = [each for each in self.last if isinstance(each, Record) and each.kind == "illegal"]
        assert self.lenient or not illegal, illegal
        check_state(self.state, self.plan)


def check_state(state: State, plan: Plan) -> None:
    """What every state that ``step`` returns must keep: it can be saved, and never stands still without saying so."""
    assert STATES.validate_json(STATES.dump_json(state)) == state
    if plan.replay:
        return
    owed = [stage.name for stage in state.stages if stage.unsettled()]
    open_windows = [stage for stage in state.stages if any(d.status in UNSETTLED for d in stage.days.values())]
    assert owed == [stage.name for stage in open_windows], "a day waits for a line that nobody listens for"
    held = state.status is RunStatus.HELD
    assert held == (state.hold is not None)
    if state.status is not RunStatus.RUNNING:
        return
    for stage in state.stages:
        assert stage.status is not StageStatus.HELD, "a stage is held in a run that is not"
        stuck = {DayStatus.EMPTY, DayStatus.UNCLEAR} & {known.status for known in stage.days.values()}
        assert not stuck or stage.unsettled(), "a day waits for a person, and nobody was told"
