"""Which facts count for an open request.

All of this must hold (``counts``):

1. the fact comes from the epoch of the request, and was not stamped by the runtime before the request was made;
2. it came after the stage's own start line, where the pipeline prints one (a refusal or a failure needs no start line:
   it is what the pipeline prints instead);
3. its window lies in the window of the open request (for pipelines that widen: it meets it).
"""

from __future__ import annotations

from datetime import date, timedelta

from watcher.core.events import Epoch, Fact, Meaning
from watcher.core.state import Open
from watcher.core.turn import Turn

SKEW = timedelta(seconds=5)  # how far the node's clock may lag behind ours
HOURLY = "1h"


def counts(turn: Turn, name: str, held: Open, fact: Fact, epoch: Epoch | None) -> bool:
    """Whether the fact says anything about the stage's open request: the three rules."""
    if fact.window is None or not held.heard.meets(fact.window):
        return False
    if not turn.plan.replay and not is_of_request(held, held.epoch, fact, epoch):
        return False
    return _in_order(turn, name, held, fact)


def is_of_request(held: Open, wanted: Epoch | None, fact: Fact, epoch: Epoch | None) -> bool:
    """True when the fact comes from the ``wanted`` life of the container, and not from before the request."""
    early = fact.stamped_by_runtime and fact.at is not None and fact.at < held.requested_at - SKEW
    return epoch == wanted and not early


def note_early(turn: Turn, fact: Fact, epoch: Epoch | None) -> None:
    """Count a line of an open request that is live and yet stamped before it: the node's clock lags behind ours.

    A start line counts even while the log is caught up with: what came before the request comes no second time.
    """
    live = turn.state.log.blind_since is None or fact.meaning is Meaning.REPAIR_STARTED
    if not live or fact.window is None or not turn.state.has(fact.stage):
        return
    stage = turn.stage(fact.stage or "")
    held = stage.open
    if held is None or epoch != held.epoch or not stage.unsettled() or is_of_request(held, epoch, fact, epoch):
        return
    if held.heard.meets(fact.window):
        turn.set_open(stage.name, early=held.early + 1)


def note_unstarted(turn: Turn, name: str, held: Open, fact: Fact, epoch: Epoch | None) -> None:
    """Count a daily line of the open request's days that came without the start line which must stand before it.

    It proves nothing. But neither can it be said any more that nothing came.
    """
    if turn.plan.replay or fact.window is None or fact.resolution == HOURLY or _in_order(turn, name, held, fact):
        return
    if held.heard.contains(fact.window) and is_of_request(held, held.epoch, fact, epoch):
        turn.set_open(name, unstarted=held.unstarted + 1)


def _in_order(turn: Turn, name: str, held: Open, fact: Fact) -> bool:
    needs_no_start = fact.meaning in {Meaning.REPAIR_STARTED, Meaning.COVERAGE_REFUSED, Meaning.WINDOW_FAILED}
    return held.started or needs_no_start or not turn.rules(name).rules.prints_start


def days_of(turn: Turn, name: str, fact: Fact) -> list[date]:
    """The days of the open request that the fact's window says something about, for daily facts."""
    held, window = turn.stage(name).open, fact.window
    if held is None or window is None or fact.resolution == HOURLY:
        return []
    if not turn.rules(name).rules.widens and not (window.is_whole_days() and held.heard.contains(window)):
        return []
    return [day for day in held.heard.days() if window.covers(day) and day in turn.stage(name).days]
