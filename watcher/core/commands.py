"""What shall be done: the intents that leave ``step``. Imperative, frozen; carried out after the save."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from watcher.core.window import Window


@dataclass(frozen=True, slots=True)
class Request:
    """Send one repair request. Answered by Request{Accepted,Refused,NotSent,Unclear,Withheld} with its number."""

    request: int
    stage: str
    window: Window
    attempt: int


@dataclass(frozen=True, slots=True)
class Notify:
    """Deliver one message to one destination. Answered by Notification{Sent,Failed}."""

    message: int
    destination: str
    title: str
    body: str
    severity: str  # info | success | warning | failure


@dataclass(frozen=True, slots=True)
class Confirm:
    """Find out whether everything logged until now was heard; answered by ``CaughtUp``, or not at all."""


@dataclass(frozen=True, slots=True)
class Record:
    """Write one line into the journal, in the same transaction as the state it explains."""

    at: datetime
    kind: str  # day | stage | run | request | stream | note | trouble | illegal
    text: str
    stage: str | None = None
    day: date | None = None
    before: str | None = None
    after: str | None = None
    evidence: str | None = None


Command = Request | Notify | Confirm | Record
