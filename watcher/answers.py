"""What an HTTP answer to a repair request means: accepted, refused, not sent, or unclear. Pure, no network.

The line is drawn where proof ends: *accepted* is only Kubecost's own ``{"code": 200}``, *refused* only what somebody
answered in so many words; a gateway's error proves nothing, because the request may have been passed on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import regex

from watcher.core.events import RequestAccepted, RequestNotSent, RequestRefused, RequestUnclear

Outcome = RequestAccepted | RequestRefused | RequestNotSent | RequestUnclear

LONGEST_ANSWER = 64 * 1024  # bytes; Kubecost's own answers are below 1 KiB
MATCH_SECONDS = 1.0  # for one pattern over one answer

REDIRECTS = frozenset(range(300, 400))
REFUSALS = frozenset({*range(400, 500), 501})
FAILURES = frozenset(range(400, 600))
DECIDED = REDIRECTS | REFUSALS  # the status alone is the answer; a body that breaks off only costs the reason

LOGIN = "something in front of Kubecost wants a login"
ADVICE: Mapping[int, str] = MappingProxyType(
    {
        401: LOGIN,
        403: LOGIN,
        404: "check kubecost.url: /model only behind the frontend; and that the profile fits the version",
        501: "this pipeline is not set up",
    }
)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came: ``kind`` is its content type, ``text`` its body, ``cut`` whether the body was longer."""

    status: int
    phrase: str
    kind: str
    location: str
    text: str
    cut: bool

    def body(self) -> dict[str, Any]:
        """The JSON object in the body, empty where there is none."""
        try:
            body = json.loads(self.text)
        except (ValueError, RecursionError):
            return {}
        return body if isinstance(body, dict) else {}

    def code(self) -> int | None:
        """The ``code`` of Kubecost's envelope, None where this is not one."""
        code = self.body().get("code")
        return code if type(code) is int else None

    def is_html(self) -> bool:
        """True for a page made for people, whatever its content type says."""
        start = self.text.lstrip("\ufeff \t\r\n")[:14].lower()
        return "html" in self.kind or start.startswith(("<!doctype html", "<html"))

    def says(self) -> str:
        """What the body tells a person, empty where it tells nothing."""
        if self.is_html():
            return "an HTML page"
        if not (body := self.body()):
            return self.text.strip()
        told = next((body[key] for key in ("message", "error", "data") if body.get(key)), "")
        return told.strip() if isinstance(told, str) else json.dumps(told)

    def __str__(self) -> str:
        line = f"{self.status} {self.phrase}".strip()
        if advice := ADVICE.get(self.status):
            line += f" ({advice})"
        if said := self.says():
            line += f": {said}"
        return line


def classify(request: int, answer: Answer, known: tuple[regex.Pattern[str], ...] = ()) -> Outcome:
    """What ``answer`` means for the request of that number; ``known`` match the ``data`` texts that mean *taken*."""
    match answer.status:
        case 200:
            return _classify_ok(request, answer, known)
        case 429:  # it was turned away unread
            return RequestNotSent(request, f"turned away for now: {answer}")
        case status if status in REDIRECTS:
            where = _target(answer.location)
            return RequestRefused(request, f"{status} sends us {where}: a login (single sign-on) in front of Kubecost?")
        case status if status in REFUSALS:
            return RequestRefused(request, str(answer))
        case 500 if answer.code() in FAILURES:
            return RequestRefused(request, f"Kubecost failed: {answer}")
        case _:
            return RequestUnclear(request, f"the request may have been passed on, the answer was {answer}")


def _classify_ok(request: int, answer: Answer, known: tuple[regex.Pattern[str], ...]) -> Outcome:
    match answer.code():
        case 200:
            told = answer.body().get("data")
            text = told if isinstance(told, str) else json.dumps(told)
            note = "" if not known or _is_known(text, known) else "(not an answer that the profile knows) "
            return RequestAccepted(request, note + text)
        case int(code):
            return RequestRefused(request, f"200 with code {code}: {answer.says() or 'no reason given'}")
    if answer.is_html():
        return RequestRefused(request, "200 with an HTML page: a login page in front of Kubecost?")
    if answer.cut:
        return RequestUnclear(request, f"200 with more than {LONGEST_ANSWER // 1024} KiB: not an answer of Kubecost's")
    return RequestUnclear(request, f"200 without Kubecost's code: {answer.says() or 'an empty body'}")


def _is_known(text: str, known: tuple[regex.Pattern[str], ...]) -> bool:
    try:
        return any(pattern.search(text, timeout=MATCH_SECONDS) for pattern in known)
    except TimeoutError:
        return False


def _target(location: str) -> str:
    """Where a redirect leads, the host only: the rest may carry tokens."""
    try:
        host = urlsplit(location).hostname
    except ValueError:
        host = None
    return f"to {host}" if host else "elsewhere on the same host"
