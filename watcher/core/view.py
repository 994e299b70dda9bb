"""The status document: the one projection of a state that every face of the program shows."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from watcher.core.events import Gap
from watcher.core.moves import DayStatus, RunStatus, StageStatus
from watcher.core.state import Day, Stage, State
from watcher.core.window import rfc3339

VERSION = 1
SHOWN_EVIDENCE = 500  # characters
DAYS_OF_A_PACE = 2  # one day is no pace


def view(state: State, now: datetime | None) -> dict[str, Any]:
    """The status document of CONTRACT §4, ready for JSON. ``now`` None: no estimates (a recorded log)."""
    etas = [_stage_eta(stage, now) for stage in state.stages]
    return {
        "version": VERSION,
        "run": {
            "name": state.name,
            "profile": state.profile,
            "window": {"start": rfc3339(state.window.start), "end": rfc3339(state.window.end)},
            "state": state.status.value,
            "reason": state.reason,
            "started_at": _stamp(state.started_at),
            "finished_at": _stamp(state.finished_at),
            "eta": _stamp(_run_eta(state, etas)),
        },
        "stages": [_stage(stage, eta) for stage, eta in zip(state.stages, etas, strict=True)],
        "log": {
            "lines": state.log.lines,
            "matched": state.log.matched,
            "near_missed": state.log.near_missed,
            "last_line_at": _stamp(state.log.last_line_at),
            "connected": state.log.connected,
            "reconnects": state.log.reconnects,
            "gaps": [_gap(gap) for gap in state.log.gaps],
            "epoch": str(state.log.epoch) if state.log.epoch else None,
        },
        "notifications": {
            "pending": sum(len(message.deliveries) for message in state.outbox.messages),
            "failed": state.outbox.failed,
        },
    }


def exit_code(state: State) -> int:
    """What a run in this state ends with: 0 all done, 1 failed, 5 aborted, 3 anything left open or not done."""
    match state.status:
        case RunStatus.FAILED:
            return 1
        case RunStatus.ABORTED:
            return 5
        case RunStatus.DONE:
            complete = all(stage.count(DayStatus.DONE) == len(stage.days) for stage in state.stages)
            return 0 if complete else 3
        case _:
            return 3


def _stage(stage: Stage, eta: datetime | None) -> dict[str, Any]:
    return {
        "name": stage.name,
        "state": stage.status.value,
        "reason": stage.reason,
        "days_total": len(stage.days),
        "days_done": stage.count(DayStatus.DONE),
        "requests": stage.requests,
        "started_at": _stamp(stage.started_at),
        "finished_at": _stamp(stage.finished_at),
        "eta": _stamp(eta),
        "days": [_day(day, known) for day, known in sorted(stage.days.items())],
    }


def _day(day: date, known: Day) -> dict[str, Any]:
    return {
        "day": day.isoformat(),
        "state": known.status.value,
        "inferred": known.inferred,
        "attempts": known.attempts,
        "rows_in": known.rows_in,
        "rows_out": known.rows_out,
        "seconds": known.seconds,
        "at": _stamp(known.at),
        "reason": known.reason,
        "evidence": known.evidence[:SHOWN_EVIDENCE] if known.evidence else None,
    }


def _gap(gap: Gap) -> dict[str, Any]:
    return {
        "from": _stamp(gap.start),
        "to": _stamp(gap.end),
        "cause": gap.cause,
        "pod": gap.pod,
        "container": gap.container,
    }


def _stage_eta(stage: Stage, now: datetime | None) -> datetime | None:
    """When the stage may end, by the pace of its days so far; None until two days are done or while it does not run."""
    if now is None or stage.status is not StageStatus.RUNNING or stage.started_at is None:
        return None
    done = [day.at for day in stage.days.values() if day.status is DayStatus.DONE and day.at is not None]
    left = len(stage.days) - len(done)
    if len(done) < DAYS_OF_A_PACE or left <= 0:
        return None
    pace = (max(done) - stage.started_at) / len(done)
    return max(now, max(done) + pace * left) if pace > timedelta(0) else None


def _run_eta(state: State, etas: list[datetime | None]) -> datetime | None:
    """Only known in the last stage: nothing is known of the pace of a stage that has not begun."""
    unfinished = [
        eta
        for stage, eta in zip(state.stages, etas, strict=True)
        if stage.status not in {StageStatus.DONE, StageStatus.SKIPPED}
    ]
    return unfinished[0] if len(unfinished) == 1 else None


def _stamp(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment is not None else None
