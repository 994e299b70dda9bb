"""Sends repair requests to Kubecost; the only file that opens a connection to it (what it answers: ``answers.py``).

A repair is a GET with side effects, so one ``send`` puts at most one request on the wire, whatever happens. The request
is *not sent* only where no connection was open; once one was, every failure leaves it *unclear*.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from ssl import SSLCertVerificationError, SSLContext, SSLError
from types import MappingProxyType, SimpleNamespace
from urllib.parse import SplitResult, unquote, urlsplit

import aiohttp
import regex
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from watcher import __version__
from watcher.answers import DECIDED, LONGEST_ANSWER, Answer, Outcome, classify
from watcher.core.commands import Request
from watcher.core.events import RequestAccepted, RequestNotSent, RequestRefused, RequestUnclear
from watcher.core.window import Window
from watcher.errors import ConfigError
from watcher.redact import one_line


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the repairs of one stage are requested.

    ``url`` is the base (``http://host:9090/model``), ``path`` what the profile says behind it; ``answers`` match the
    ``data`` texts by which this endpoint says that it took the request.
    """

    url: str
    path: str
    answers: tuple[regex.Pattern[str], ...] = ()


class RepairRequester:
    """Sends one GET per ``send``: no second try, no redirects, no proxies or credentials from the environment.

    ``timeout`` is seconds for the whole exchange. ``headers`` go with every request (``Authorization``); their values
    are kept out of every reason. ConfigError names every endpoint that can't be used.
    """

    def __init__(
        self,
        endpoints: Mapping[str, Endpoint],
        *,
        timeout: float = 30.0,
        headers: Mapping[str, str] = MappingProxyType({}),
        ssl: SSLContext | bool = True,
    ) -> None:
        wrong = {stage: _wrong(endpoint, headers) for stage, endpoint in endpoints.items()}
        if problems := [f"stage {stage}: {problem}" for stage, problem in wrong.items() if problem]:
            raise ConfigError(*problems)
        self._endpoints = dict(endpoints)
        self._timeout = timeout
        self._headers = dict(headers)
        self._ssl = ssl
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    def url(self, stage: str, window: Window) -> str:
        """Exactly the URL that a request of ``stage`` goes to; KeyError for a stage without an endpoint.

        A user and password in the configured URL are not part of it: they travel in a header.
        """
        endpoint = self._endpoints[stage]
        parts = urlsplit(endpoint.url)
        base = f"{parts.scheme}://{_host(parts)}{parts.path.rstrip('/')}"
        return f"{base}{endpoint.path}{'&' if '?' in endpoint.path else '?'}window={window}"

    async def send(self, request: Request) -> Outcome:
        """Send ``request`` once and say what became of it. Failures of the outside are answers, not exceptions."""
        if self._closed:
            return RequestNotSent(request.request, "the watcher is stopping; nothing was sent")
        endpoint = self._endpoints[request.stage]
        parts = urlsplit(endpoint.url)
        headers = self._headers | _login(parts)
        wire = _Wire()
        try:
            async with self._open().get(
                URL(self.url(request.stage, request.window), encoded=True),  # encoded: nothing is quoted again
                headers=headers,
                ssl=self._ssl,
                allow_redirects=False,
                trace_request_ctx=wire,
            ) as response:
                outcome = classify(request.request, await _read(response), endpoint.answers)
        except TimeoutError:
            outcome = wire.failed(request.request, _host(parts), f"nothing for {self._timeout:g} s")
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            outcome = wire.failed(request.request, _host(parts), _why(error))
        secrets = {part for value in headers.values() for part in (value, value.rpartition(" ")[2])}
        return _tidy(outcome, secrets | {unquote(parts.password or "")})

    async def close(self) -> None:
        """Close for good: a later ``send`` is ``RequestNotSent``. May be called more than once."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _open(self) -> aiohttp.ClientSession:
        """The session, made inside the running loop; every request gets a connection of its own."""
        if self._session is None:
            trace = aiohttp.TraceConfig()
            trace.on_connection_create_end.append(_note_connection)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, use_dns_cache=False),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"kubecost-repair-watcher/{__version__}", "Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                trust_env=False,
                trace_configs=[trace],
                middlewares=(_only_once,),
            )
        return self._session


@dataclass(slots=True)
class _Wire:
    """Whether a connection was open: from then on nobody can prove that the request did not arrive."""

    connected: bool = False

    def failed(self, request: int, host: str, why: str) -> RequestNotSent | RequestUnclear:
        if self.connected:
            return RequestUnclear(request, f"{host} may have the request, but no complete answer came: {why}")
        return RequestNotSent(request, f"no connection to {host}: {why}; nothing was sent")


async def _note_connection(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.connected = True


class _BrokenError(aiohttp.ClientError):
    """A broken connection, under a name that aiohttp does not answer with a second try."""


async def _only_once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating the GET: it does so after a broken connection, and even after a fresh one."""
    try:
        return await send(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _BrokenError(str(error)) from error


async def _read(response: aiohttp.ClientResponse) -> Answer:
    body = bytearray()
    try:
        while len(body) <= LONGEST_ANSWER and (piece := await response.content.read(LONGEST_ANSWER + 1 - len(body))):
            body += piece
    except (aiohttp.ClientError, HttpProcessingError, OSError):  # TimeoutError is an OSError
        if response.status not in DECIDED:
            raise
    return Answer(
        status=response.status,
        phrase=response.reason or "",
        kind=response.content_type,
        location=response.headers.get("Location", ""),
        text=body[:LONGEST_ANSWER].decode("utf-8", "replace"),
        cut=len(body) > LONGEST_ANSWER,
    )


def _why(error: BaseException) -> str:
    """The innermost cause, in the words of the operating system or of TLS."""
    while error.__cause__ is not None:
        error = error.__cause__
    match error:
        case SSLCertVerificationError():
            return f"the certificate is not trusted ({error.verify_message})"
        case SSLError():
            return f"TLS failed ({error.reason or error})"
        case OSError(errno=int(number)) if number > 0:
            return os.strerror(number)
        case OSError(strerror=str(text)):
            return text
        case _:
            return str(error) or type(error).__name__


def _tidy(outcome: Outcome, secrets: set[str]) -> Outcome:
    match outcome:
        case RequestAccepted(request, answer):
            return RequestAccepted(request, one_line(answer, secrets))
        case RequestRefused(request, reason) | RequestNotSent(request, reason) | RequestUnclear(request, reason):
            return type(outcome)(request, one_line(reason, secrets))


def _host(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def _login(parts: SplitResult) -> dict[str, str]:
    if parts.username is None:
        return {}
    return {"Authorization": aiohttp.encode_basic_auth(unquote(parts.username), unquote(parts.password or ""), "utf-8")}


def _wrong(endpoint: Endpoint, headers: Mapping[str, str]) -> str | None:
    """What is wrong with the endpoint, None when it can be used. The URL is not shown: it may hold a password."""
    parts = _address(endpoint.url)
    if parts is None:
        return "kubecost.url is not an address; write http://host:port or http://host:port/model"
    two_logins = parts.username is not None and "authorization" in {name.lower() for name in headers}
    faults = {
        "kubecost.url has a query or a fragment; leave out what begins with ? or #": parts.query or parts.fragment,
        "kubecost.url has a user with a colon in it; HTTP has no way to send that": ":"
        in unquote(parts.username or ""),
        "kubecost.url has a user and there is an Authorization header too; keep one of them": two_logins,
        "kubecost.url or the profile's path has a space or a sign outside ASCII; percent-encode it": not all(
            "!" <= sign <= "~" for sign in endpoint.url + endpoint.path
        ),
        f"the profile's path {endpoint.path!r} is not one; it begins with a slash and has no #": (
            not endpoint.path.startswith("/") or "#" in endpoint.path
        ),
    }
    return next((fault for fault, there in faults.items() if there), None)


def _address(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")  # as the resolver does, which breaks on a name that can't be
        usable = host and parts.scheme in {"http", "https"} and parts.port != 0
    except ValueError:
        return None
    return parts if usable else None
