"""What holds for every test."""

from __future__ import annotations

import asyncio


def pytest_configure() -> None:
    """Say that the main thread has no event loop of its own.

    Plugins ask for it around every test, those without a loop included. Python would make one then, and nobody would
    close it.
    """
    asyncio.set_event_loop(None)
