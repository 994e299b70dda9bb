"""The laws of requests: in order, one at a time, each once, none before a state that says so is on the disk."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from watcher.core.commands import Request
from watcher.core.moves import DayStatus
from watcher.core.state import Answer, Stage, State
from watcher.simulator.door import Arrival
from watcher.simulator.law import Law
from watcher.simulator.ledger import Ledger

_FINISHED = frozenset({DayStatus.DONE, DayStatus.SKIPPED})


@dataclass(frozen=True, slots=True)
class Sent:
    """A request that left the daemon, and the epoch that it knew then."""

    request: Request
    epoch: str


class RequestLaws:
    """Watches the requests of one run over all lives of the daemon; ``doubled`` are those that came twice."""

    def __init__(self, ledger: Ledger, fail: Callable[[Law, str], None]) -> None:
        self._ledger = ledger
        self._fail = fail
        self._sent: list[Sent] = []
        self._in_flight: set[int] = set()
        self._taken: set[int] = set()
        self.doubled: set[int] = set()  # by the network: nobody can know
        self._unheard: set[int] = set()  # no start line follows where one must: they look as if they never arrived
        self._retried: set[tuple[str, date]] = set()
        self._meddled = False  # a person let a request go out although Kubecost may be at work on another

    def sent(self, request: Request, saved: State) -> None:
        """A request leaves the daemon, whose state on the disk is ``saved``."""
        number, name = request.request, request.stage
        stage = saved.stage(name)
        if stage.open is None or stage.open.request != number or stage.open.answer is not Answer.AWAITED:
            self._fail(Law.SAVE_THEN_ACT, f"request {number} left before a state that says so was saved")
            return
        self._check_order(number, name, saved)
        epoch = stage.open.epoch.container_id if stage.open.epoch is not None else ""
        self._check_one_at_a_time(request, epoch, saved)
        self._check_repeat(request, epoch)
        self._sent.append(Sent(request, epoch))
        self._in_flight.add(number)

    def _check_order(self, number: int, name: str, saved: State) -> None:
        for earlier in saved.stages:
            if earlier.name == name:
                return
            days = {day for day, known in earlier.days.items() if known.status not in _FINISHED}
            claimed = {day for day, known in earlier.days.items() if known.status is DayStatus.DONE}
            days |= claimed - self._ledger.finished(earlier.name)
            if days:
                self._fail(
                    Law.STAGE_ORDER, f"request {number} for {name} before {earlier.name} {min(days)} was finished"
                )

    def _check_one_at_a_time(self, request: Request, epoch: str, saved: State) -> None:
        number, name = request.request, request.stage
        if self._in_flight:
            self._fail(Law.ONE_REQUEST_OPEN, f"request {number} for {name} while {self._in_flight} awaits its answer")
        for other in saved.stages:
            if other.name != name and (other.unsettled() or _awaits(other)):
                self._fail(Law.ONE_REQUEST_OPEN, f"request {number} for {name} while {other.name} is open")
        known = {one.request.request for one in self._sent if one.epoch == epoch}
        at_work = self._at_work(known - self.doubled - self._unheard)
        if at_work and not self._meddled:
            self._fail(Law.ONE_REQUEST_OPEN, f"request {number} for {name} while Kubecost works on {at_work}")

    def is_at_work(self) -> bool:
        """True while Kubecost works on anything that was asked for."""
        return any(one.open and one.request is not None for one in self._ledger.repairs)

    def _at_work(self, requests: set[int]) -> set[int]:
        """Those of the requests on which Kubecost still works."""
        return {one.request for one in self._ledger.repairs if one.open and one.request is not None} & requests

    def _check_repeat(self, request: Request, epoch: str) -> None:
        for earlier in self._sent:
            again = {
                day
                for day in set(earlier.request.window.days()) & set(request.window.days())
                if (request.stage, day) not in self._retried
            }
            same = earlier.request.stage == request.stage and earlier.epoch == epoch
            if same and again and earlier.request.request in self._taken - self._unheard:
                text = f"request {request.request} repeats {earlier.request.request} for {request.stage} {min(again)}"
                self._fail(Law.NO_REPEAT, f"{text} in the same epoch; nothing was lost")

    def arrived(self, arrival: Arrival) -> None:
        """A request reached Kubecost."""
        if arrival.taken and arrival.request.request in self._taken:
            self.doubled.add(arrival.request.request)
        elif arrival.taken:
            self._taken.add(arrival.request.request)
            if arrival.silent:
                self._unheard.add(arrival.request.request)

    def answered(self, number: int) -> None:
        """The daemon has an answer to this request."""
        self._in_flight.discard(number)

    def died(self) -> None:
        """This life of the daemon is over, and waits for no answer."""
        self._in_flight.clear()

    def retried(self, days: set[tuple[str, date]]) -> None:
        """A person wants these days of stages to be asked for again."""
        self._retried |= days

    def meddled(self) -> None:
        """A person let a request go out although Kubecost may be at work on another."""
        self._meddled = True


def _awaits(stage: Stage) -> bool:
    return stage.open is not None and stage.open.answer is Answer.AWAITED
