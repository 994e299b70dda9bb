"""The truth of a simulation: what was asked for, and what had truly been done by then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from watcher.core.window import Window


class Outcome(StrEnum):
    """What became of one day of a repair."""

    OPEN = "open"
    DONE = "done"
    EMPTY = "empty"
    FAILED = "failed"
    LOST = "lost"


@dataclass(slots=True)
class Repair:
    """A repair that Kubecost took on. ``request`` is None for one that somebody else started."""

    stage: str
    window: Window
    request: int | None
    life: str
    providers: tuple[str, ...]
    days: dict[date, Outcome] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.days = dict.fromkeys(self.window.days(), Outcome.OPEN)

    @property
    def open(self) -> bool:
        """True while some day is neither finished nor lost."""
        return Outcome.OPEN in self.days.values()


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request that reached the simulated Kubecost.

    ``finished`` holds the days of every stage whose good data were truly written when it came, ``open`` the stages on
    which an earlier request was still being worked. ``life`` is the id of the container that got it.
    """

    number: int
    at: datetime
    stage: str | None
    window: Window | None
    target: str
    life: str
    accepted: bool
    status: int
    finished: Mapping[str, frozenset[date]]
    open: tuple[str, ...]


class Ledger:
    """Everything that was received and done, and what is wrong with the order of it."""

    def __init__(self, stages: tuple[str, ...], window: Window) -> None:
        self._stages = stages
        self._window = window
        self.requests: list[ReceivedRequest] = []
        self.repairs: list[Repair] = []

    def finished(self, stage: str) -> frozenset[date]:
        """The days whose good data this stage has truly written, as of now."""
        days: set[date] = set()
        for repair in self.repairs:
            if repair.stage == stage:
                days |= {day for day, outcome in repair.days.items() if outcome is Outcome.DONE}
                days -= {day for day, outcome in repair.days.items() if outcome is Outcome.EMPTY}
        return frozenset(days)

    def receive(
        self,
        *,
        at: datetime,
        stage: str | None,
        window: Window | None,
        target: str,
        life: str,
        accepted: bool,
        status: int,
    ) -> ReceivedRequest:
        """Note a request, before anything is done about it."""
        request = ReceivedRequest(
            number=len(self.requests) + 1,
            at=at,
            stage=stage,
            window=window,
            target=target,
            life=life,
            accepted=accepted,
            status=status,
            finished={stage: self.finished(stage) for stage in self._stages},
            open=tuple(repair.stage for repair in self.repairs if repair.request is not None and repair.open),
        )
        self.requests.append(request)
        return request

    def lose(self) -> None:
        """The container died: whatever was not finished never will be."""
        for repair in self.repairs:
            for day, outcome in repair.days.items():
                if outcome is Outcome.OPEN:
                    repair.days[day] = Outcome.LOST

    # ---- what is wrong ----------------------------------------------------------------------------------------------

    def violations(self) -> list[str]:
        """What no careful daemon would have done, one sentence each; empty when all is well."""
        return [text for request in self.requests for text in self._violations_of(request)]

    def _violations_of(self, request: ReceivedRequest) -> list[str]:
        name = f"request {request.number} ({request.target})"
        if request.stage not in self._stages:
            return [f"{name}: not a repair of this run"]
        if request.window is None or not self._window.contains(request.window):
            return [f"{name}: asks for days outside the run's window {self._window}"]
        wanted = frozenset(request.window.days())
        found = [
            f"{name}: came before {stage} was finished for {_listed(wanted_of_run - request.finished[stage])}"
            for stage, wanted_of_run in self._needed_before(request.stage)
            if wanted_of_run - request.finished[stage]
        ]
        if request.open:
            found.append(f"{name}: came while {', '.join(request.open)} was still being worked on")
        earlier = [one for one in self.requests[: request.number - 1] if one.accepted]
        later_stages = self._stages[self._stages.index(request.stage) + 1 :]
        if any(one.stage in later_stages for one in earlier):
            found.append(f"{name}: goes back to {request.stage} after a later stage was asked for")
        again = [one for one in earlier if one.stage == request.stage and one.life == request.life and one.window]
        repeated = {day for one in again if one.window for day in one.window.days()} & wanted
        if repeated & request.finished[request.stage]:
            found.append(f"{name}: asks again for {_listed(repeated)} though nothing was lost")
        return found

    def _needed_before(self, stage: str) -> list[tuple[str, frozenset[date]]]:
        whole = frozenset(self._window.days())
        return [(earlier, whole) for earlier in self._stages[: self._stages.index(stage)]]


def _listed(days: frozenset[date] | set[date]) -> str:
    return ", ".join(str(day) for day in sorted(days))
