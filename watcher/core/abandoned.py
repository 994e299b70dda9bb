"""Work that a person skipped while Kubecost was at it: nothing else is asked for until it is over.

A skip is a wish about the run; it stops nothing in Kubecost. Two repairs at once slow each other down or spoil each
other's sets, and in some profiles both write with the same words: what the skipped one still prints would count for the
next. So the run holds until the log says that the work is over, the container is gone, or a person says so. Days that
were unclear when they were skipped are none of these: of their silence the person was told before.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from watcher.core.plan import Evidence
from watcher.core.state import HoldKind
from watcher.core.turn import Turn, spell


def abandon(turn: Turn, name: str, days: Iterable[date]) -> None:
    """These days of the open request are skipped while they are at work."""
    held = turn.stage(name).open
    if held is not None:
        turn.set_open(name, abandoned=held.abandoned.union(days))


def is_over(turn: Turn, name: str, days: Iterable[date]) -> None:
    """Kubecost is at work on these days no more, if it was."""
    held = turn.stage(name).open
    if held is not None and held.abandoned:
        turn.set_open(name, abandoned=held.abandoned.difference(days))


def release_if_over(turn: Turn) -> None:
    """End the hold for abandoned work where none is left."""
    hold = turn.state.hold
    if hold is not None and hold.kind is HoldKind.ABANDONED and _at_work(turn) is None:
        turn.release("the work that was skipped is over")


def hold_if_at_work(turn: Turn) -> bool:
    """Hold where Kubecost may still be at work on skipped days; False where it is not."""
    name = _at_work(turn)
    if name is None:
        return False
    held = turn.stage(name).open
    days = spell(list(held.abandoned)) if held is not None else ""
    if turn.rules(name).rules.least is Evidence.QUIET:
        ends = "The log may never say when this is over; make sure of it, then let the run go on ('watcher approve')"
    else:
        ends = "The run goes on when the log says that this is over; or make sure of it yourself ('watcher approve')"
    reason = f"{name} {days}: skipped, but Kubecost may still be at work on it. {ends}"
    if turn.hold(HoldKind.ABANDONED, reason, name):
        turn.tell(("held",), "warning", f"{name}: skipped while at work, the run holds", reason)
    return True


def _at_work(turn: Turn) -> str | None:
    return next((each.name for each in turn.state.stages if each.open is not None and each.open.abandoned), None)
