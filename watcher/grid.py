"""The grid of stages and days, drawn from the status document. The only file that knows ``rich``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from watcher.core.state import State

Document = dict[str, Any]

MARKS = {
    "pending": ("·", "dim"),
    "requested": ("?", "cyan"),
    "running": ("▸", "bold cyan"),
    "done": ("█", "green"),
    "empty": ("∅", "bold red"),
    "failed": ("✗", "bold red"),
    "unclear": ("~", "bold yellow"),
    "skipped": ("-", "dim"),
    "refused": ("!", "bold red"),
}
INFERRED = ("▒", "green")  # concluded, not seen
STYLES = {"done": "green", "failed": "red", "held": "yellow", "running": "cyan", "aborted": "red", "paused": "yellow"}
REDRAW_EVERY = 0.125  # seconds
IN_MINUTES_FROM = 600  # seconds a day; slower rates are told in minutes
CELLS = 60  # days in one row of the grid; more are shown in buckets
FEWEST_CELLS = 5
GUTTER = 2  # columns between two columns of the grid
HEAD = ("stage", "state", "done", "", "rate", "eta")


def print_grid(document: Document, *, grid_shown: bool) -> None:
    """The grid on stdout, and what it cannot say (only that, where the grid is on the screen already)."""
    console = Console(highlight=False)
    if not grid_shown:
        console.print(grid(document, console.width))
    for line in details(document):
        console.print(line)


class Drawing:
    """A live grid on the terminal's stderr; call it with a document to redraw."""

    def __init__(self, screen: Live) -> None:
        self._screen = screen
        self._drawn = 0.0

    def __call__(self, document: Document) -> None:
        """Redraw."""
        self._screen.update(grid(document, self._screen.console.width), refresh=True)

    def throttled(self, view: Callable[[State], Document]) -> Callable[[State], None]:
        """A function that draws the view of a state, but no more than a few times a second."""

        def draw(state: State) -> None:
            if time.monotonic() - self._drawn >= REDRAW_EVERY:
                self._drawn = time.monotonic()
                self(view(state))

        return draw


@contextmanager
def live_grid() -> Iterator[Drawing]:
    """A live grid for as long as the context lasts; it stays on the screen afterwards."""
    console = Console(stderr=True, highlight=False)
    with Live(console=console, auto_refresh=False, transient=False) as screen:
        yield Drawing(screen)


def grid(document: Document, width: int) -> RenderableType:
    """One row a stage: a mark a day, counts, rate and the time it may end.

    On a narrow terminal (``width`` in columns) a mark stands for several days; the numbers keep their room.
    """
    run = document["run"]
    head = Text.assemble(
        (run["name"], "bold"),
        "  ",
        f"[{run['window']['start'][:10]}, {run['window']['end'][:10]})",
        "  ",
        (run["state"], STYLES.get(run["state"], "")),
    )
    rows = [_numbers(stage) for stage in document["stages"]]
    taken = sum(GUTTER + max(map(len, column)) for column in zip(HEAD, *rows, strict=True))
    cells = min(CELLS, max(FEWEST_CELLS, width - taken - GUTTER))
    table = Table(box=None, padding=(0, GUTTER, 0, 0), show_header=True, header_style="dim")
    for name in (*HEAD[:2], "days", *HEAD[2:]):
        table.add_column(name, no_wrap=True)
    for stage, (name, state, *numbers) in zip(document["stages"], rows, strict=True):
        table.add_row(name, Text(state, STYLES.get(state, "dim")), _marks(stage["days"], cells), *numbers)
    parts: list[RenderableType] = [head, table]
    reasons = {run["reason"], *(stage["reason"] for stage in document["stages"])} - {None}
    parts.extend(Text(reason, STYLES.get(run["state"], "")) for reason in sorted(reasons))
    parts.append(Text(_log_line(document), "dim"))
    return Group(*parts)


def _numbers(stage: Document) -> tuple[str, ...]:
    """What stands beside the marks, in the order of ``HEAD``."""
    done = f"{stage['days_done']}/{stage['days_total']}"
    percent = f"{100 * stage['days_done'] // max(stage['days_total'], 1)} %"
    return stage["name"], stage["state"], done, percent, _rate(stage), _eta(stage["eta"])


def details(document: Document) -> list[Text]:
    """What the grid cannot say: every day that did not simply end well, with its reason."""
    lines = []
    for stage in document["stages"]:
        for day in stage["days"]:
            if day["state"] in {"failed", "empty", "unclear", "refused", "skipped"}:
                reason = f"  {day['reason']}" if day["reason"] else ""
                lines.append(Text(f"{stage['name']} {day['day']} {day['state']}{reason}"))
    inferred = sum(day["inferred"] for stage in document["stages"] for day in stage["days"])
    if inferred:
        lines.append(Text(f"{inferred} day(s) {INFERRED[0]} were concluded, not seen", "dim"))
    return lines


def _marks(days: list[Document], cells: int) -> Text:
    size = -(-len(days) // cells) if days else 1
    text = Text()
    for first in range(0, len(days), size):
        mark, style = _worst(days[first : first + size])
        text.append(mark, style)
    return text


def _worst(days: list[Document]) -> tuple[str, str]:
    order = ("failed", "refused", "empty", "unclear", "running", "requested", "pending", "skipped", "done")
    day = min(days, key=lambda each: order.index(each["state"]))
    if day["state"] == "done" and any(each["inferred"] for each in days):
        return INFERRED
    return MARKS[day["state"]]


def _rate(stage: Document) -> str:
    ends = [day["at"] for day in stage["days"] if day["state"] == "done" and day["at"]]
    if stage["started_at"] is None or not ends:
        return ""
    seconds = (_moment(max(ends)) - _moment(stage["started_at"])).total_seconds() / len(ends)
    if seconds <= 0:
        return ""
    return f"{seconds:.0f} s/day" if seconds < IN_MINUTES_FROM else f"{seconds / 60:.0f} min/day"


def _eta(stamp: str | None) -> str:
    return _moment(stamp).astimezone().strftime("%H:%M:%S") if stamp else ""


def _moment(stamp: str) -> datetime:
    return datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _log_line(document: Document) -> str:
    log = document["log"]
    parts = [f"log: {log['lines']} lines, {log['matched']} matched"]
    if log["near_missed"]:
        parts.append(f"{log['near_missed']} near misses")
    if log["reconnects"]:
        parts.append(f"{log['reconnects']} reconnects")
    if log["gaps"]:
        parts.append(f"{len(log['gaps'])} gaps")
    if document["notifications"]["pending"] or document["notifications"]["failed"]:
        parts.append(
            f"messages: {document['notifications']['pending']} pending, {document['notifications']['failed']} failed"
        )
    return ", ".join(parts)
