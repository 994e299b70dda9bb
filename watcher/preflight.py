"""Reasons to refuse a run before anything is sent."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from watcher.core.moves import ENDED_RUN
from watcher.core.plan import Plan
from watcher.core.window import midnight, rfc3339
from watcher.errors import WatcherError
from watcher.store import Saved


class RefusedError(WatcherError):
    """The run is refused; nothing was sent and nothing was written."""

    exit_code = 4


def refuse_recent(plan: Plan, now: datetime) -> None:
    """Raise RefusedError for a window that Kubecost itself still works on: today, yesterday, or the future.

    Ordinary runs print the lines of a repair for these days all the time, so that nothing could be proven of them.
    """
    yesterday = midnight(now.date()) - timedelta(days=1)
    if plan.window.end > yesterday:
        message = (
            f"window: {plan.window} reaches into yesterday, today or the future, which Kubecost rewrites by itself;"
            f" end it at {rfc3339(yesterday)} or earlier, or give --force"
        )
        raise RefusedError(message)


def identity(plan: Plan) -> dict[str, Any]:
    """What a saved run and a configuration must agree on to be the same run."""
    return {"window": str(plan.window), "profile": plan.profile, "stages": [stage.name for stage in plan.stages]}


def refuse_other_run(saved: Saved, plan: Plan, path: str) -> None:
    """Raise RefusedError if the state file holds a run that this configuration does not describe."""
    wanted = identity(plan)
    differing = [key for key, value in wanted.items() if saved.identity.get(key) != value]
    if not differing:
        return
    kind = "a finished" if saved.state.status in ENDED_RUN else "an unfinished"
    told = "; ".join(
        f"{key} is {_short(saved.identity.get(key))} there, {_short(wanted[key])} here" for key in differing
    )
    message = f"{path}: the state file holds {kind} run with another {' and '.join(differing)} ({told}); give --new-run"
    raise RefusedError(message)


def _short(value: object) -> str:
    return " > ".join(map(str, value)) if isinstance(value, list) else str(value)
