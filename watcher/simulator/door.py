"""Kubecost's door without sockets: how a repair request travels, what becomes of it, and what comes back.

What reached Kubecost happens whether or not the daemon lives to hear the answer. The answers are those that the real
requester makes of what a server says (``answers.py``) or of how a connection ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import Final

import regex

from watcher.answers import Answer, classify
from watcher.core.commands import Request
from watcher.core.events import Event, RequestNotSent, RequestUnclear
from watcher.simulator.kubecost import Kubecost
from watcher.simulator.repair_api import accepted_text
from watcher.simulator.troubles import Late, Silent
from watcher.simulator.weather import Weather

TIMEOUT: Final = 30.0  # seconds for the whole exchange, as configured by default
LATEST: Final = 20.0  # seconds that a request can be on its way after its client gave up
LATE_BY: Final = timedelta(seconds=8)  # before the request: more than any clocks are apart
SETTLED: Final = 30.0  # seconds in which the streams recover, when it gets calm
_PAGE: Final = "<html><head><title>Sign in</title></head><body>Please log in</body></html>"
_GATEWAY: Final = "<html><head><title>502 Bad Gateway</title></head></html>"


class Trick(StrEnum):
    """What the door may do to a request."""

    NOBODY = "no connection"
    LOST = "lost on the way"
    ANSWER_LOST = "taken, the answer is lost"
    LATE_ANSWER = "taken, answered late"
    NO_ANSWER = "taken, never answered"
    LATE = "given up by the gateway, taken later"
    TWICE = "taken twice"
    NONSENSE = "taken, answered with nonsense"
    NOT_TAKEN = "answered with nonsense, not taken"
    FAILED = "500 in Kubecost's own words"
    GATEWAY = "502 of a gateway, not taken"
    BUSY = "429"
    REDIRECT = "302 to a login"
    PAGE = "200 with a login page"
    OTHER_CODE = "200 with code 400"


_WEIGHTS: Final = {
    Trick.NOBODY: 6,
    Trick.LOST: 3,
    Trick.ANSWER_LOST: 5,
    Trick.LATE_ANSWER: 5,
    Trick.NO_ANSWER: 3,
    Trick.LATE: 3,
    Trick.TWICE: 1,
    Trick.NONSENSE: 3,
    Trick.NOT_TAKEN: 1,
    Trick.FAILED: 1,
    Trick.GATEWAY: 3,
    Trick.BUSY: 4,
    Trick.REDIRECT: 1,
    Trick.PAGE: 1,
    Trick.OTHER_CODE: 1,
}
REFUSING: Final = frozenset({Trick.FAILED, Trick.REDIRECT, Trick.PAGE, Trick.OTHER_CODE})
"""Tricks after which it is right that the run fails."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request as it reached Kubecost. ``life``: the container that got it, empty where none was ready.

    ``silent``: it is swallowed without a line, as no pipeline does that prints a start line.
    """

    request: Request
    at: float
    life: str
    taken: bool
    silent: bool


class Door:
    """Lets requests through. ``arrived`` is told each one that gets there, ``note`` every trick.

    ``asked_at`` knows when the open request of a stage was decided, which may be long before it leaves.
    """

    def __init__(  # noqa: PLR0913 - named, and each is another neighbour
        self,
        kubecost: Kubecost,
        answers: Mapping[str, tuple[regex.Pattern[str], ...]],
        weather: Weather,
        rng: Random,
        *,
        world: asyncio.TaskGroup,
        arrived: Callable[[Arrival], None],
        asked_at: Callable[[str], datetime | None],
        note: Callable[[str], None],
    ) -> None:
        self._kubecost = kubecost
        self._answers = answers
        self._weather = weather
        self._rng = rng
        self._world = world
        self._arrived = arrived
        self._asked_at = asked_at
        self._note = note
        self.played: set[Trick] = set()

    async def send(self, request: Request) -> Event:
        """Send one request. What is on its way stays on its way when this is cancelled."""
        trick = self._next_trick()
        answer: asyncio.Future[Event] = asyncio.get_running_loop().create_future()
        if trick is not None:
            self.played.add(trick)
            self._note(f"request {request.request}: {trick}")
        self._world.create_task(self._carry(request, trick, answer))
        return await answer

    def _next_trick(self) -> Trick | None:
        now = asyncio.get_running_loop().time()
        if self._weather.is_calm(now) or self._rng.random() >= self._weather.answered_badly:
            return None
        return self._rng.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]

    async def _carry(self, request: Request, trick: Trick | None, answer: asyncio.Future[Event]) -> None:
        await asyncio.sleep(self._rng.uniform(0.0, 0.5))
        event = await self._exchange(request, trick)
        if not answer.done():  # else nobody waits for it any more
            answer.set_result(event)

    async def _exchange(  # noqa: C901, PLR0911, PLR0912  one branch a trick
        self, request: Request, trick: Trick | None
    ) -> Event:
        number = request.request
        match trick:
            case Trick.NOBODY:
                return RequestNotSent(number, "no connection to kubecost: Connection refused; nothing was sent")
            case Trick.LOST:
                return await self._give_up(number)
            case Trick.ANSWER_LOST:
                self._reach(request)
                return RequestUnclear(number, "kubecost may have the request, but no complete answer came: reset")
            case Trick.NO_ANSWER:
                self._reach(request)
                return await self._give_up(number)
            case Trick.LATE_ANSWER:
                taken = self._reach(request)
                await asyncio.sleep(self._rng.uniform(1.0, TIMEOUT - 1))
                return self._say(request, taken=taken)
            case Trick.LATE:
                asyncio.get_running_loop().call_later(self._rng.uniform(0.1, LATEST), self._reach, request)
                return self._answer(request, 504, "Gateway Timeout", _GATEWAY, "text/html")
            case Trick.TWICE:
                taken = self._reach(request)
                await asyncio.sleep(self._rng.uniform(0.0, 2.0))
                self._reach(request)
                return self._say(request, taken=taken)
            case Trick.NONSENSE:
                self._reach(request)
                return self._answer(request, 200, "OK", self._rng.choice(("", "null", '{"code":', "OK", "[]")))
            case Trick.NOT_TAKEN:
                return self._answer(request, 200, "OK", self._rng.choice(("", "{}", "true", '{"data": "?"}')))
            case Trick.FAILED:
                return self._answer(request, 500, "", '{"code":500,"data":null,"message":"store is locked"}')
            case Trick.GATEWAY:
                return self._answer(request, 502, "Bad Gateway", _GATEWAY, "text/html")
            case Trick.BUSY:
                return self._answer(request, 429, "Too Many Requests", "slow down", "text/plain")
            case Trick.REDIRECT:
                return self._answer(request, 302, "Found", "", "text/html", "https://sso.example/login")
            case Trick.PAGE:
                return self._answer(request, 200, "OK", _PAGE, "text/html")
            case Trick.OTHER_CODE:
                return self._answer(request, 200, "OK", '{"code":400,"message":"illegal window"}')
            case None:
                return self._say(request, taken=self._reach(request))

    def _reach(self, request: Request) -> bool:
        """The request is at the door; True where a process takes it."""
        ready = self._kubecost.ready
        now = asyncio.get_running_loop().time()
        silent = Silent(request.stage) in self._kubecost.installation.scenario.troubles
        self._arrived(Arrival(request, now, self._kubecost.life if ready else "", ready, silent))
        if ready:
            self._kubecost.take(request.stage, request.window, request.request)
            if request.stage == "reconciliation" and Late() in self._kubecost.installation.scenario.troubles:
                self._log_late(request)
        return ready

    def _log_late(self, request: Request) -> None:
        """Only where a reader can bear it: lines so far out of order need the whole overlap of a reconnect.

        That is cut down while stream after stream breaks; and a request may have been long on its way.
        """
        asked, now = self._asked_at(request.stage), self._kubecost.installation.cluster.now()
        calm = self._weather.is_calm(asyncio.get_running_loop().time() - SETTLED)
        if asked is not None and abs(now - asked) < LATE_BY and calm:
            self._note("lines of an ordinary reconciliation come late")
            self._kubecost.log_late(request.window, int((asked - LATE_BY).timestamp()) * 10**9)

    async def _give_up(self, number: int) -> Event:
        await asyncio.sleep(TIMEOUT)
        return RequestUnclear(number, f"kubecost may have the request, but no complete answer came: {TIMEOUT:g} s")

    def _say(self, request: Request, *, taken: bool) -> Event:
        """What Kubecost says, or the frontend for it when there is no process."""
        if not taken:
            return self._answer(request, 502, "Bad Gateway", _GATEWAY, "text/html")
        told = accepted_text(request.stage, request.window)
        return self._answer(request, 200, "OK", f'{{"code":200,"data":"{told}"}}')

    def _answer(
        self, request: Request, status: int, phrase: str, text: str, kind: str = "application/json", location: str = ""
    ) -> Event:
        known = self._answers[request.stage]
        return classify(request.request, Answer(status, phrase, kind, location, text, cut=False), known)
