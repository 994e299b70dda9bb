"""Talks HTTP to the Kubernetes API: raw JSON and raw bytes, nothing else.

The client library is used for what it is good at (configuration, tokens, TLS) through ``param_serialize`` and
``call_api`` only. Its generated log method, its ``Watch`` and its models stay out: they lose lines, and refuse pods.
The transport is ours: keepalive, no limit of connections, nothing from the environment.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import socket
import ssl
from functools import partial
from pathlib import Path
from typing import Any, Final

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.config.config_exception import ConfigException

from watcher import __version__
from watcher.cluster import login
from watcher.cluster.api import LogStream, Query, Silence, Trouble
from watcher.cluster.rhythm import Rhythm
from watcher.errors import ConfigError

log = logging.getLogger(__name__)

OK: Final = 200
NO_CONTENT: Final = 204
UNAUTHORIZED: Final = 401
REDIRECTS: Final = 300
UNANSWERED: Final = 3  # requests in a row, after which the configuration is read again

_BROKEN: Final = (aiohttp.ClientError, HttpProcessingError, TimeoutError, OSError, ValueError, ConfigException)
_LONGEST_ERROR: Final = 64 * 1024
_DEFAULT: Final = Rhythm()


class _Client:
    """One session with the credentials it was made with; outlives its replacement until its last answer is closed."""

    def __init__(self, api: ApiClient) -> None:
        self._api: Any = api
        self._uses = 0
        self._retired = False

    async def send(self, path: str, query: Query, limits: aiohttp.ClientTimeout) -> _Answer:
        headers = {"Accept": "application/json, */*", "Accept-Encoding": "identity"}
        self._uses += 1  # before anything is awaited: who is in use is not closed by another's renewal
        try:
            request = await self._api.param_serialize(
                "GET", path, query_params=list(query), header_params=headers, auth_settings=["BearerToken"]
            )
            return _Answer(self, (await self._api.call_api(*request, _request_timeout=limits)).response)
        except BaseException:
            await self.release()
            raise

    async def release(self) -> None:
        self._uses -= 1
        await self._close_if_unused()

    async def retire(self) -> None:
        self._retired = True
        await self._close_if_unused()

    async def _close_if_unused(self) -> None:
        if self._retired and not self._uses:
            await self._api.close()


class _Answer:
    """An answer whose body is still to be read."""

    def __init__(self, client: _Client, response: aiohttp.ClientResponse) -> None:
        self.response = response
        self._client: _Client | None = client

    async def close(self) -> None:
        """Give the connection up. May be called twice."""
        self.response.close()
        client, self._client = self._client, None
        if client is not None:
            await client.release()


class ClusterApi:
    """``Api`` over HTTP, with credentials that are renewed when the server no longer takes them."""

    def __init__(self, kubeconfig: Path | None, context: str | None, rhythm: Rhythm) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._rhythm = rhythm
        self._client: _Client | None = None
        self._stale = False
        self._unanswered = 0  # requests in a row
        self._connecting: asyncio.Task[Any] | None = None
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Read the configuration; raises ConfigError where the operator must act."""
        await self._usable()

    async def close(self) -> None:
        """Give up all connections but open streams; those keep theirs until they are closed."""
        client, self._client, self._stale = self._client, None, False
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()
            await asyncio.wait([connecting])
            if not connecting.cancelled() and connecting.exception() is None:
                await connecting.result().close()
        if client is not None:
            await client.retire()

    async def get(self, path: str, query: Query = ()) -> dict[str, Any]:
        """One object or list, raw: the library's models refuse odd but legal pods."""
        answer = await self._request(path, query, aiohttp.ClientTimeout(total=self._rhythm.answer))
        try:
            found = json.loads(await answer.response.read())
        except _BROKEN as error:
            raise Trouble(f"GET {path}: the answer cannot be read: {_say(error)}", answer.response.status) from error
        finally:
            await answer.close()
        if not isinstance(found, dict):
            raise Trouble(f"GET {path}: the answer is no object", answer.response.status)
        return found

    async def log(self, namespace: str, pod: str, query: Query) -> LogStream:
        """Open the log of a pod; the answer is checked to be a text before a byte of it is taken for log."""
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/log"
        rhythm = self._rhythm
        limits = aiohttp.ClientTimeout(total=None, connect=rhythm.connect * 1.5, sock_connect=rhythm.connect)
        answer = await self._request(path, query, limits)
        response = answer.response
        if response.status == NO_CONTENT or response.content_type in {"text/html", "application/json"}:
            await answer.close()
            kind = "nothing (is the pod scheduled?)" if response.status == NO_CONTENT else response.content_type
            raise Trouble(f"GET {path}: {response.status} with {kind} where a log was expected", response.status)
        return _HttpLog(answer, rhythm.sock_read)

    async def _request(self, path: str, query: Query, limits: aiohttp.ClientTimeout) -> _Answer:
        """An answer of status 2xx. A 401 for *us* renews the credentials and is tried once more."""
        answer = await self._send(path, query, limits)
        if answer.response.status == UNAUTHORIZED:
            trouble = await self._refusal(path, answer)
            if "pods/log" in trouble.cause.removeprefix(f"GET {path}"):
                raise trouble  # the kubelet refused the API server, not us
            log.info("401 from the API: reading the credentials again")
            self._stale = True
            answer = await self._send(path, query, limits)
        if not OK <= answer.response.status < REDIRECTS:
            raise await self._refusal(path, answer)
        return answer

    async def _refusal(self, path: str, answer: _Answer) -> Trouble:
        """What an answer that is no success says, in one line."""
        response = answer.response
        try:
            async with asyncio.timeout(self._rhythm.answer):
                body = await response.content.read(_LONGEST_ERROR)
        except _BROKEN as error:
            body = _say(error).encode()
        finally:
            await answer.close()
        wait = response.headers.get("Retry-After", "")
        cause = f"GET {path}: {response.status} {_message(body)}".rstrip()
        return Trouble(cause, response.status, float(wait) if wait.isdecimal() else None)

    async def _send(self, path: str, query: Query, limits: aiohttp.ClientTimeout) -> _Answer:
        try:
            async with asyncio.timeout(self._rhythm.answer):
                client = await self._usable()
                answer = await client.send(path, query, limits)
        except ConfigError as error:
            raise Trouble(str(error)) from error
        except _BROKEN as error:
            self._unanswered += 1
            # Our certificate or the CA may have been renewed on our disk, or the server may have moved.
            self._stale = self._stale or _is_about_tls(error) or self._unanswered % UNANSWERED == 0
            raise Trouble(f"GET {path}: {_say(error)}") from error
        self._unanswered = 0
        return answer

    async def _usable(self) -> _Client:
        async with self._lock:
            if self._client is None or self._stale:
                old, self._client = self._client, _Client(await self._connected())
                self._stale = False
                if old is not None:
                    await old.retire()
            return self._client

    async def _connected(self) -> ApiClient:
        """A client with fresh credentials. A plugin that takes long is not begun again with every request."""
        if self._connecting is None:
            self._connecting = asyncio.ensure_future(self._connect())
        connecting = self._connecting
        try:
            api: ApiClient = await asyncio.shield(connecting)
        except BaseException:
            if connecting.done() and (connecting.cancelled() or connecting.exception() is not None):
                self._connecting = None
            raise  # a client that was made while we were cancelled is the next caller's, or ``close`` finds it
        self._connecting = None
        return api

    async def _connect(self) -> ApiClient:
        try:
            async with asyncio.timeout(self._rhythm.request):
                configuration = await login.load(self._kubeconfig, self._context)
        except TimeoutError as error:
            raise ConfigError(
                f"no credentials within {self._rhythm.request:g} s; run the exec plugin by hand"
            ) from error
        # Many clusters' CAs lack what Python demands since 3.13 (a key identifier), and kubectl takes them.
        configuration.disable_strict_ssl_verification = True
        try:
            api = ApiClient(configuration)
        except OSError as error:  # includes ssl.SSLError
            where = self._kubeconfig or "the configuration of the cluster"
            raise ConfigError(f"{where}: its certificates cannot be loaded ({error}); renew them") from error
        api.user_agent = f"kubecost-repair-watcher/{__version__}"
        connector = aiohttp.TCPConnector(
            limit=0, ssl=api.rest_client.ssl_context, socket_factory=partial(_socket, rhythm=self._rhythm)
        )
        api.rest_client.pool_manager = aiohttp.ClientSession(
            connector=connector, trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), read_bufsize=2**20
        )
        return api


class _HttpLog:
    """One answer of the log API over HTTP."""

    def __init__(self, answer: _Answer, patience: float) -> None:
        self._answer = answer
        self._content = answer.response.content
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._waiting_since = math.inf
        self._look = self._loop.call_later(patience, self._look_for_silence)
        _parse_seldom(self._content)

    async def read(self) -> bytes:
        self._waiting_since = self._loop.time()
        try:
            return await self._content.readany()
        except _BROKEN as error:
            raise Trouble(f"the connection broke: {_say(error)}") from error
        finally:
            self._waiting_since = math.inf

    async def close(self) -> None:
        self._look.cancel()
        await self._answer.close()

    def _look_for_silence(self) -> None:
        """End a reading that waits for too long. aiohttp does it by a timer that it sets anew for all that comes."""
        now = self._loop.time()
        due = min(self._waiting_since, now) + self._patience
        if due <= now:
            self._content.set_exception(Silence(f"nothing came for {self._patience:g} s"))
        else:
            self._look = self._loop.call_at(due, self._look_for_silence)


def _parse_seldom(content: aiohttp.StreamReader) -> None:
    """Let the parser go on when all that it had made was taken, not behind each chunk.

    aiohttp wakes it whenever a chunk was taken and less than a mark is left. Where each line is a chunk that costs as
    much as all the rest of reading; a lower mark by way of ``read_bufsize`` stops it in the middle of large chunks.
    """
    if hasattr(content, "_low_water"):  # else it is another aiohttp's, and only slower
        content._low_water = 1  # noqa: SLF001  there is no other way to say it


def _socket(address: tuple[Any, ...], rhythm: Rhythm = _DEFAULT) -> socket.socket:
    """A socket that notices a peer that died without a word: nothing else does on a silent stream."""
    family, kind, protocol = address[:3]
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        ("TCP_KEEPIDLE", rhythm.alive_idle),
        ("TCP_KEEPINTVL", rhythm.alive_every),
        ("TCP_KEEPCNT", rhythm.alive_count),
        ("TCP_USER_TIMEOUT", int(rhythm.unacknowledged * 1000)),
    ):
        if hasattr(socket, name):  # not every system has all of them
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


def _is_about_tls(error: BaseException) -> bool:
    """A refused client certificate comes as an alert after the handshake, in the clothes of a broken connection."""
    return isinstance(error, (ssl.SSLError, aiohttp.ClientSSLError)) or "SSL" in str(error)


def _message(body: bytes) -> str:
    try:
        status = json.loads(body)
    except ValueError:
        status = None
    text = status.get("message") if isinstance(status, dict) else body.decode("utf-8", "replace")
    return " ".join(str(text or "").split())[:300]


def _say(error: BaseException) -> str:
    told = "no answer in time" if isinstance(error, TimeoutError) else type(error).__name__
    return " ".join(str(error).split()) or told
