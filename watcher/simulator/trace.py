"""The story of one simulated run, line by line: true time, kind, what happened. The same seed tells the same story."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from watcher.core.commands import Command, Confirm, Notify, Record, Request
from watcher.core.events import Attached, CaughtUp, EpochChanged, Event, GapFound, LogRead, StreamLost, TargetReady
from watcher.sources import LinesRead, SourceEvent


class Trace:
    """Collects the lines, or hands them on as they come; ``digest`` is that of all of them."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._hash = hashlib.sha256()
        self.seconds: Callable[[], float] = lambda: 0.0

    def note(self, kind: str, text: str) -> None:
        """Something happened now."""
        line = f"{self.seconds():12.6f}  {kind:<8}  {text}"
        self._hash.update(line.encode() + b"\n")
        self._tell(line)

    @property
    def digest(self) -> str:
        """Sixteen digits that differ where one line does."""
        return self._hash.hexdigest()[:16]


def tell_event(event: Event | SourceEvent) -> str:
    """What happened, in one line."""
    match event:
        case LinesRead(epoch, lines):
            return f"{len(lines)} line(s) of {str(epoch)[-8:]}"
        case LogRead(epoch, facts, lines):
            told = "; ".join(f"{fact.meaning} {fact.line[:110]}" for fact in facts)
            return f"read {lines} of {str(epoch)[-8:]}: {told}"
        case Attached(epoch) | TargetReady(epoch):
            return f"{type(event).__name__} {str(epoch)[-8:]}"
        case EpochChanged(epoch, cause):
            return f"EpochChanged {str(epoch)[-8:]}: {cause}"
        case CaughtUp(upto):
            return f"CaughtUp {upto:%H:%M:%S.%f}"
        case StreamLost(cause):
            return f"StreamLost: {cause}"
        case GapFound(gap):
            return f"GapFound {gap.start} .. {gap.end}: {gap.cause}"
        case _:
            return str(event)


def tell_command(command: Command) -> str:
    """What shall be done, in one line."""
    match command:
        case Request(number, stage, window, attempt):
            return f"request {number}: {stage} {window}, attempt {attempt}"
        case Notify(message, destination, title):
            return f"message {message} to {destination}: {title}"
        case Record(_, kind, text, stage, day, before, after):
            return f"[{kind}] {stage or ''} {day or ''} {before or ''}->{after or ''} {text}"
        case Confirm():
            return "confirm"
