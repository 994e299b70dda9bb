"""What happened: the facts that enter ``step``. Past tense, frozen, without behaviour.

Three kinds arrive here: what the log said (``Fact`` inside ``LogRead``), what became of the stream of the log, and what
became of the things the core asked for (requests, messages). ``commands.py`` holds the other direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from watcher.core.window import Window, rfc3339


class Meaning(StrEnum):
    """What a log line can mean; a pattern file gives every pattern one of these."""

    REPAIR_STARTED = "repair_started"  # the pipeline took up a repair of this window: its own start line
    DAY_STARTED = "day_started"  # inside a repair, work on this window began
    WINDOW_DONE = "window_done"  # the set of this window was computed and written; may carry rows and duration
    REPAIR_ENDED = "repair_ended"  # the pipeline says that the repair of this window is complete
    ACTIVITY = "activity"  # the pipeline works on this window: a start, never an end
    COVERAGE_REFUSED = "coverage_refused"  # the store refused the window: it lies outside its coverage
    WINDOW_FAILED = "window_failed"  # the pipeline failed on this window
    TROUBLE = "trouble"  # an error that names no day of a pipeline
    PROCESS_STARTED = "process_started"  # the process that writes this log began anew
    NOTED = "noted"  # a known line that says nothing about the progress of a repair


@dataclass(frozen=True, slots=True)
class Fact:
    """What one log line said, parsed.

    ``line`` is the message without its envelope, kept as evidence. ``at`` is the line's stamp: the container runtime's
    where there was one (``stamped_by_runtime``), else the one the program wrote, else None. ``stage`` is the stage
    whose pipeline *emitted* the line, None where no stage of the profile did. ``seconds`` is the duration the line
    states.
    """

    meaning: Meaning
    pattern: str
    line: str
    stage: str | None = None
    at: datetime | None = None
    stamped_by_runtime: bool = False
    resolution: str | None = None
    window: Window | None = None
    coverage: Window | None = None
    provider: str | None = None
    id: str | None = None
    rows_in: int | None = None
    rows_out: int | None = None
    seconds: float | None = None
    advice: str | None = None


Subject = tuple[Meaning, str | None, Window | None, str | None]
"""What a fact will be about, enough to tell whether it is worth making: meaning, stage, window, provider."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One life of the container that repairs. Work of a dead epoch is lost."""

    pod_uid: str
    container_id: str

    def __str__(self) -> str:
        return f"{self.pod_uid}/{self.container_id}"


@dataclass(frozen=True, slots=True)
class Gap:
    """A stretch of log that we know we did not see. ``start``/``end`` are None where not even that is known."""

    start: datetime | None
    end: datetime | None
    cause: str
    pod: str | None = None
    container: str | None = None

    def __str__(self) -> str:
        """All of it in one line; ``?`` for what is not known."""
        times = f"{rfc3339(self.start) if self.start else '?'} to {rfc3339(self.end) if self.end else '?'}"
        return f"{self.cause} (pod {self.pod or '?'}, container {self.container or '?'}, {times})"


# ---- the stream of the log ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Booted:
    """The daemon began (again). Until ``CaughtUp`` nothing is known of the time in which it was not running."""


@dataclass(frozen=True, slots=True)
class Attached:
    """A stream of this epoch's log is open (None: a source without containers, a file or stdin)."""

    epoch: Epoch | None
    target: str


@dataclass(frozen=True, slots=True)
class LogRead:
    """Some complete lines were read, once each, in order of arrival; ``facts`` are those that a pattern matched.

    ``info_lines`` counts the lines of level info or lower: none at all means that the log level hides progress.
    """

    epoch: Epoch | None
    facts: tuple[Fact, ...]
    lines: int
    matched: int = 0
    near_missed: int = 0
    info_lines: int = 0
    last_line_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """Every line that the log held at ``upto`` (our clock) was delivered before this event, gaps excepted."""

    upto: datetime


@dataclass(frozen=True, slots=True)
class StreamLost:
    """No stream is open any more: from here on we are blind."""

    cause: str


@dataclass(frozen=True, slots=True)
class GapFound:
    """A stretch of log is known to be missing."""

    gap: Gap


@dataclass(frozen=True, slots=True)
class EpochChanged:
    """The container died and another life began; ``cause`` is told to people (``OOMKilled, memory limit 2Gi``)."""

    epoch: Epoch
    cause: str


@dataclass(frozen=True, slots=True)
class TargetReady:
    """The container of this epoch is ready to take requests."""

    epoch: Epoch | None


StreamEvent = Attached | CaughtUp | StreamLost | GapFound | EpochChanged | TargetReady

# ---- answers to commands --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RequestAccepted:
    """Kubecost took the request. Accepted is not done."""

    request: int
    answer: str


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """Kubecost, or something in front of it, answered that it will not do this."""

    request: int
    reason: str


@dataclass(frozen=True, slots=True)
class RequestNotSent:
    """The request provably never reached anybody (no connection): it may be sent again later."""

    request: int
    reason: str


@dataclass(frozen=True, slots=True)
class RequestUnclear:
    """Nobody knows whether the request arrived (time-out, broken connection, a gateway's error)."""

    request: int
    reason: str


@dataclass(frozen=True, slots=True)
class RequestWithheld:
    """A dry run: the request was decided and not sent."""

    request: int
    reason: str


@dataclass(frozen=True, slots=True)
class NotificationSent:
    """One destination took one message."""

    message: int
    destination: str


@dataclass(frozen=True, slots=True)
class NotificationFailed:
    """One destination did not take one message."""

    message: int
    destination: str
    reason: str


# ---- people and time ------------------------------------------------------------------------------------------------


class Move(StrEnum):
    """What a person may ask of a run."""

    PAUSE = "pause"
    RESUME = "resume"
    RETRY = "retry"
    SKIP = "skip"
    ABORT = "abort"
    APPROVE = "approve"


@dataclass(frozen=True, slots=True)
class OperatorAsked:
    """A person steers the run; ``stage`` and ``day`` narrow ``retry`` and ``skip``."""

    move: Move
    reason: str | None = None
    stage: str | None = None
    day: date | None = None


@dataclass(frozen=True, slots=True)
class DeadlineReached:
    """Nothing happened, but the time that ``next_deadline`` named has come."""


Event = (
    Booted
    | StreamEvent
    | LogRead
    | RequestAccepted
    | RequestRefused
    | RequestNotSent
    | RequestUnclear
    | RequestWithheld
    | NotificationSent
    | NotificationFailed
    | OperatorAsked
    | DeadlineReached
)
