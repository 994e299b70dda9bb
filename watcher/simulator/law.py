"""The names of what must hold, and how a breach of it is told."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Law(StrEnum):
    """What must hold; ``docs/simulation.md`` says each in a sentence."""

    SAVE_THEN_ACT = "save-then-act"
    STAGE_ORDER = "stage-order"
    ONE_REQUEST_OPEN = "one-request-open"
    NO_REPEAT = "no-repeat"
    DONE_IS_TRUE = "done-is-true"
    EMPTY_IS_TRUE = "empty-is-true"
    FAILED_IS_TRUE = "failed-is-true"
    SILENCE_IS_HEARD = "silence-is-heard"
    CURSOR_NEVER_LEADS = "cursor-never-leads"
    EACH_LINE_ONCE = "each-line-once"
    FILED_WHERE_IT_BELONGS = "filed-where-it-belongs"
    HEARD_IS_HEARD = "heard-is-heard"
    NEVER_DEAF = "never-deaf"
    PEOPLE_ARE_TOLD = "people-are-told"
    OUTBOX = "outbox"
    ENDS_WITH_A_REASON = "ends-with-a-reason"
    STOPS_WHEN_TOLD = "stops-when-told"
    NO_ILLEGAL_MOVE = "no-illegal-move"
    NO_BUG = "no-bug"


@dataclass(frozen=True, slots=True)
class Breach:
    """A law that did not hold."""

    law: Law
    at: float
    text: str

    def __str__(self) -> str:
        return f"{self.law} at {self.at:.3f} s: {self.text}"
