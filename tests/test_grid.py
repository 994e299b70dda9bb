"""The grid fits the terminal: what must give way are the marks, never the numbers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from rich.console import Console

from watcher.core.plan import Evidence, Plan, StagePlan, StageRules
from watcher.core.state import State
from watcher.core.view import view
from watcher.core.window import Window
from watcher.grid import grid

FIRST = date(2023, 1, 1)
STAGES = ("asset", "cloudUsage", "reconciliation", "allocation")


@pytest.mark.parametrize("days", [3, 90, 400])
@pytest.mark.parametrize("width", [60, 80, 200])
def test_numbers_keep_their_room(days: int, width: int) -> None:
    rules = (StageRules(name, prints_start=True, least=Evidence.WINDOW_DONE) for name in STAGES)
    window = Window.of_days(FIRST, FIRST + timedelta(days=days - 1))
    document = view(
        State.begin(Plan("a run", "p", window, tuple(map(StagePlan, rules)))), datetime(2026, 3, 1, tzinfo=UTC)
    )
    for stage in document["stages"]:
        stage["eta"] = "2026-03-01T12:00:00Z"
    console = Console(width=width, record=True, file=None, quiet=False)
    with console.capture() as captured:
        console.print(grid(document, width))
    lines = captured.get().splitlines()
    assert all(len(line) <= width for line in lines)
    for name in STAGES:
        row = next(line for line in lines if line.startswith(f"{name} "))
        marks = row.split()[2]
        assert f" 0/{days} " in row
        assert " 0 % " in row
        assert ":00" in row
        assert "pending" in row
        assert set(marks) == {"·"}
        assert len(marks) <= days
