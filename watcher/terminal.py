"""What people see: the grid of stages and days, live on a terminal, plain elsewhere; all from the status document.

``rich`` draws it, and is loaded with the first thing that is drawn: JSON needs none of it.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from watcher.grid import Drawing


def print_document(document: dict[str, Any], output: str, *, grid_shown: bool = False) -> None:
    """The status document on stdout, as JSON or as a table (only its details where the grid is on the screen)."""
    if output == "json":
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
        return
    from watcher.grid import print_grid

    print_grid(document, grid_shown=grid_shown)


def is_live() -> bool:
    """True where a live grid can be drawn: stderr is a terminal that is not dumb."""
    return sys.stderr.isatty() and os.environ.get("TERM", "").lower() not in {"dumb", "unknown"}


@contextmanager
def live() -> Iterator[Drawing]:
    """A live grid for as long as the context lasts; it stays on the screen afterwards."""
    from watcher.grid import live_grid

    with live_grid() as drawing:
        yield drawing
