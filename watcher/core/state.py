"""All that is known of a run, as one frozen value: what ``step`` takes and returns, what the store saves."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from watcher.core.events import Epoch, Gap
from watcher.core.moves import UNSETTLED, DayStatus, RunStatus, StageStatus
from watcher.core.plan import Plan
from watcher.core.window import Window


@dataclass(frozen=True, slots=True)
class Day:
    """One day of one stage, with the evidence that moved it to its state.

    ``covered``/``proven`` hold the provider keys whose lines, in the present attempt, worked on the day or proved it
    ("" where the pipeline names no provider); ``hours`` is a bit mask of the hourly sets seen.
    """

    status: DayStatus = DayStatus.PENDING
    inferred: bool = False
    attempts: int = 0
    rows_in: int | None = None
    rows_out: int | None = None
    seconds: float | None = None
    at: datetime | None = None
    reason: str | None = None
    evidence: str | None = None
    covered: frozenset[str] = frozenset()
    proven: frozenset[str] = frozenset()
    hours: int = 0


class Answer(StrEnum):
    """What became of a request on the wire."""

    AWAITED = "awaited"
    ACCEPTED = "accepted"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Open:
    """The last request of a stage and what the log said since.

    ``silent_since``: from when silence counts, the last activity or later. ``gapless``: no stretch of log is missing
    since the request. ``again``: the daemon began anew while it held for silence; it waits one patience of days more.
    ``trouble``: an error that named no day, ``failing``: the stage's own pipeline said it. ``early``: lines of it that
    came live and were stamped before the request. ``unstarted``: lines of its days that came without its start line.
    ``widened``: days of earlier requests were opened again by a new provider, and are listened for as well.
    ``abandoned``: days that a person skipped while Kubecost was at work on them, and may still be.
    """

    request: int
    window: Window
    epoch: Epoch | None
    requested_at: datetime
    silent_since: datetime
    answer: Answer = Answer.AWAITED
    started: bool = False
    active: bool = False
    gapless: bool = True
    again: bool = False
    info_lines: int = 0
    hourly_refused: bool = False
    note: str | None = None
    trouble: str | None = None
    failing: bool = False
    early: int = 0
    unstarted: int = 0
    widened: Window | None = None
    abandoned: frozenset[date] = frozenset()

    @property
    def heard(self) -> Window:
        """The window whose days a line may speak of: what was asked for, or more."""
        return self.widened or self.window


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the run. ``starts`` are the start lines that were ours, as (id, window).

    ``lost``: the request that a new epoch made void (``lost.py``). ``unsent_since``: since when no request reaches
    anybody.
    """

    name: str
    days: dict[date, Day]
    status: StageStatus = StageStatus.PENDING
    reason: str | None = None
    requests: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None
    not_before: datetime | None = None
    open: Open | None = None
    starts: tuple[tuple[str | None, Window], ...] = ()
    lost: Open | None = None
    unsent: int = 0
    unsent_since: datetime | None = None

    def unsettled(self) -> list[date]:
        """The days of the open request that still wait for a line."""
        if self.open is None:
            return []
        return [day for day in self.open.heard.days() if day in self.days and self.days[day].status in UNSETTLED]

    def count(self, status: DayStatus) -> int:
        """How many days are in this state."""
        return sum(day.status is status for day in self.days.values())


class HoldKind(StrEnum):
    """What ends a hold: a person's decision, the end of abandoned work, a line of the stage, or the stream itself.

    A person can end each of them; the first is ended by nothing else.
    """

    DECISION = "decision"
    ABANDONED = "abandoned"
    SILENCE = "silence"
    BLIND = "blind"


@dataclass(frozen=True, slots=True)
class Hold:
    """Why the run stands still. ``told_at``: when people were last told. ``emptied``: the emptied days it told of."""

    kind: HoldKind
    reason: str
    since: datetime
    told_at: datetime
    stage: str | None = None
    emptied: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message's way to one destination."""

    next_at: datetime
    attempts: int = 0
    sending: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """One message in the outbox; it leaves when no delivery is left."""

    number: int
    at: datetime
    title: str
    body: str
    severity: str
    deliveries: dict[str, Delivery]


@dataclass(frozen=True, slots=True)
class Outbox:
    """Messages not yet delivered everywhere, and how many were given up."""

    messages: tuple[Message, ...] = ()
    next_number: int = 1
    failed: int = 0
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class Log:
    """What is known of the log itself. ``blind_since`` is None while a stream is open and its backlog was read.

    ``heard_until``: every line that the log held then was delivered, but for ``gaps``. ``unconfirmed_since``: since
    when we ask in vain whether that is so. ``unready_since``: since when the container takes no requests.
    ``wished_at``: since when a request waits until it is found out whether everything was heard.
    """

    lines: int = 0
    matched: int = 0
    near_missed: int = 0
    info_lines: int = 0
    last_line_at: datetime | None = None
    connected: bool = False
    target: str | None = None
    attachments: int = 0
    reconnects: int = 0
    gaps: tuple[Gap, ...] = ()
    epoch: Epoch | None = None
    ready: bool = False
    blind_since: datetime | None = None
    blind_cause: str | None = None
    heard_until: datetime | None = None
    confirm_asked_at: datetime | None = None
    unconfirmed_since: datetime | None = None
    unready_since: datetime | None = None
    wished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class State:
    """The run."""

    name: str
    profile: str
    window: Window
    stages: tuple[Stage, ...]
    status: RunStatus = RunStatus.PENDING
    reason: str | None = None
    hold: Hold | None = None
    paused: str | None = None  # a person's reason; kept through holds
    started_at: datetime | None = None
    finished_at: datetime | None = None
    providers: frozenset[str] = frozenset()
    next_request: int = 1
    log: Log = field(default_factory=Log)
    outbox: Outbox = field(default_factory=Outbox)

    def stage(self, name: str) -> Stage:
        """The stage ``name``; KeyError where the run has no such stage."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)

    def has(self, name: str | None) -> bool:
        """True where the run has a stage of this name."""
        return any(stage.name == name for stage in self.stages)

    @classmethod
    def begin(cls, plan: Plan) -> State:
        """A run of which nothing is known yet."""
        stages = tuple(Stage(name=stage.name, days={day: Day() for day in plan.window.days()}) for stage in plan.stages)
        return cls(name=plan.name, profile=plan.profile, window=plan.window, stages=stages)
