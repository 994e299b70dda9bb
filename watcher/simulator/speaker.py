"""What the pipelines and the background need of the process that runs them."""

from __future__ import annotations

from datetime import date
from typing import Protocol

from watcher.simulator.envelopes import Level
from watcher.simulator.installation import Installation
from watcher.simulator.ledger import Outcome, Repair


class Speaker(Protocol):
    """A process that can log and work."""

    installation: Installation
    run_ids: dict[str, str]

    def say(self, level: Level, message: str) -> None:
        """One line in the envelope of this installation."""

    def info(self, message: str) -> None:
        """One line of level info."""

    def raw(self, line: bytes) -> None:
        """One line without envelope."""

    async def work_on(self, repair: Repair, day: date) -> None:
        """Spend the time that this day takes."""

    def finish(self, repair: Repair, day: date, outcome: Outcome) -> None:
        """Note the truth about a day."""
