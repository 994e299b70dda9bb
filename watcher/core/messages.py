"""The words of the messages: title and body, plain text, from the state alone."""

from __future__ import annotations

from datetime import datetime

from watcher.core.moves import DayStatus
from watcher.core.state import Stage, State


def run_started(state: State) -> tuple[str, str]:
    """The run sent its first request."""
    stages = " → ".join(stage.name for stage in state.stages)
    count = sum(1 for _ in state.window.days())
    return f"repair of {count} day(s) started", f"{state.name}\nwindow {state.window}\n{stages}"


def stage_done(state: State, name: str) -> tuple[str, str]:
    """A stage is done, and how that is known."""
    return f"{name}: done", _stage_line(state.stage(name))


def run_done(state: State) -> tuple[str, str]:
    """The run is done: days, durations, what was concluded rather than seen."""
    lines = [f"{state.name}: window {state.window}", *(_stage_line(stage) for stage in state.stages)]
    took = _took(state.started_at, state.finished_at)
    if took:
        lines.append(f"the whole run took {took}, {sum(stage.requests for stage in state.stages)} request(s)")
    return "repair done", "\n".join(lines)


def _stage_line(stage: Stage) -> str:
    done, total = stage.count(DayStatus.DONE), len(stage.days)
    parts = [f"{stage.name}: {done}/{total} days done"]
    skipped = stage.count(DayStatus.SKIPPED)
    inferred = sum(day.inferred for day in stage.days.values() if day.status is DayStatus.DONE)
    again = sum(day.attempts > 1 for day in stage.days.values())
    if skipped:
        parts.append(f"{skipped} skipped")
    if inferred:
        parts.append(f"{inferred} concluded, not seen")
    if again:
        parts.append(f"{again} requested more than once")
    took = _took(stage.started_at, stage.finished_at)
    if took:
        parts.append(f"took {took}")
    return ", ".join(parts)


def _took(since: datetime | None, until: datetime | None) -> str:
    if since is None or until is None:
        return ""
    seconds = round((until - since).total_seconds())
    hours, rest = divmod(max(seconds, 0), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}h {minutes:02}m" if hours else f"{minutes}m {seconds:02}s"
