"""The small web answer: is it alive, is it ready, what does it do, in numbers. Reading only.

It shows what it is given (the status document, two verdicts, the metrics) and knows nothing of where that comes from.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from watcher.errors import ConfigError
from watcher.metrics import CONTENT_TYPE

log = logging.getLogger(__name__)

Document = Mapping[str, Any]
Verdict = tuple[bool, Document]

SHUTDOWN_SECONDS = 2.0
EVERY_ADDRESS = frozenset({"", "*", "::"})

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "watcher",
    "X-Content-Type-Options": "nosniff",
}

PAGE = """<!doctype html>
<html lang="en">
<title>Kubecost repair watcher</title>
<h1>Kubecost repair watcher</h1>
<ul>
<li><a href="api/v1/status">status</a>: the run, its stages and days, as JSON
<li><a href="readyz">readyz</a>: follows the log, or why it does not
<li><a href="healthz">healthz</a>: the process itself
<li><a href="metrics">metrics</a>: for Prometheus
</ul>
</html>
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; ``port`` is the real one where the configuration said 0."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Its base URL, without a slash at the end."""
        return f"http://{_bracketed(self.host)}:{self.port}"


@asynccontextmanager
async def serve(
    listen: str,
    *,
    status: Callable[[], Document],
    ready: Callable[[], Verdict],
    healthy: Callable[[], Verdict],
    metrics: Callable[[], bytes],
) -> AsyncIterator[Server]:
    """Serve on ``listen`` (``host:port``, ``[v6]:port``, ``:port`` for every address) for as long as the block runs.

    The callables are asked anew for every request, in the event loop. ConfigError where it can't be bound.
    """
    host, port = _split(listen)
    runner = web.AppRunner(
        _application(status, ready, healthy, metrics),
        access_log=None,
        handle_signals=False,
        handler_cancellation=False,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    await runner.setup()
    try:
        try:
            await _site(runner, host, port).start()
        except (OSError, UnicodeError) as error:
            raise ConfigError(f"server.listen: cannot listen on {listen} ({_why(error)}); choose another") from error
        address = runner.addresses[0]
        yield Server(address[0], address[1])
    finally:
        await runner.cleanup()


def _application(
    status: Callable[[], Document],
    ready: Callable[[], Verdict],
    healthy: Callable[[], Verdict],
    metrics: Callable[[], bytes],
) -> web.Application:
    async def show_page(_request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def show_status(_request: web.Request) -> web.Response:
        return _json(status())

    async def show_ready(_request: web.Request) -> web.Response:
        return _verdict(ready())

    async def show_healthy(_request: web.Request) -> web.Response:
        return _verdict(healthy())

    async def show_metrics(_request: web.Request) -> web.Response:
        return web.Response(body=metrics(), headers={"Content-Type": CONTENT_TYPE})

    application = web.Application(middlewares=[_errors_as_json])
    application.on_response_prepare.append(_add_headers)
    application.add_routes(
        [
            web.get("/", show_page),
            web.get("/healthz", show_healthy),
            web.get("/readyz", show_ready),
            web.get("/metrics", show_metrics),
            web.get("/api/v1/status", show_status),
        ]
    )
    return application


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except web.HTTPException as error:
        response = _json({"error": error.reason, "path": request.path}, status=error.status)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return _json({"error": "Internal Server Error", "path": request.path}, status=500)


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


def _verdict(verdict: Verdict) -> web.Response:
    good, document = verdict
    return _json(document, status=200 if good else 503)


def _json(document: Document, status: int = 200) -> web.Response:
    # On one line: written in pieces, the document of a long run would hold up the loop five times as long.
    return web.json_response(text=json.dumps(document, ensure_ascii=False) + "\n", status=status)


# ---- the address -----------------------------------------------------------------------------------------------------


def _split(listen: str) -> tuple[str, int]:
    host, colon, port = listen.strip().rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:  # an IPv6 address without brackets: which colon is the port's?
        colon = ""
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:  # noqa: PLR2004
        raise ConfigError(f"server.listen: {listen!r} is not host:port; write 127.0.0.1:8080, [::1]:8080 or :8080")
    return host, int(port)


def _site(runner: web.AppRunner, host: str, port: int) -> web.BaseSite:
    if host not in EVERY_ADDRESS:
        return web.TCPSite(runner, host, port)
    with suppress(OSError):  # a kernel may know IPv6 and have no address of it; a port that is taken fails again below
        # One socket for both families: with two, port 0 would mean two different ports.
        return web.SockSite(runner, socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True))
    return web.TCPSite(runner, "0.0.0.0", port)  # noqa: S104  it was asked for


def _why(error: Exception) -> str:
    """The system's words, without asyncio's list of sockets around them."""
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)
    return getattr(error, "strerror", None) or str(error)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
