"""The small web answer over real sockets: verdicts, documents, headers, addresses."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from watcher.errors import ConfigError
from watcher.web import Server, serve

STATUS: dict[str, Any] = {"version": 1, "run": {"state": "running", "reason": "waits for „Asset”"}}
Verdict = tuple[bool, Mapping[str, Any]]


def loopbacks() -> list[str]:
    """The loopback addresses that this machine has, as they stand in a URL."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return ["127.0.0.1"]
    return ["127.0.0.1", "[::1]"]


LOOPBACKS = loopbacks()


@asynccontextmanager
async def serving(
    listen: str = "127.0.0.1:0",
    *,
    status: Callable[[], Mapping[str, Any]] = lambda: STATUS,
    ready: Callable[[], Verdict] = lambda: (True, {"ready": True}),
    healthy: Callable[[], Verdict] = lambda: (True, {"healthy": True}),
) -> AsyncIterator[Server]:
    async with serve(listen, status=status, ready=ready, healthy=healthy, metrics=lambda: b"up 1\n") as server:
        yield server


@asynccontextmanager
async def asking(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(server.url) as session:
        yield session


async def test_the_four_answers_and_the_page_that_links_them() -> None:
    async with serving() as server, asking(server) as session:
        for path, kind, body in [
            ("/healthz", "application/json", {"healthy": True}),
            ("/readyz", "application/json", {"ready": True}),
            ("/api/v1/status", "application/json", STATUS),
        ]:
            async with session.get(path) as answer:
                assert (answer.status, answer.content_type) == (200, kind)
                assert await answer.json() == body
        async with session.get("/metrics") as answer:
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert await answer.read() == b"up 1\n"
        async with session.get("/") as answer:
            assert answer.content_type == "text/html"
            page = await answer.text()
    assert all(f'href="{path}"' in page for path in ("healthz", "readyz", "metrics", "api/v1/status"))


async def test_not_ready_and_not_healthy_are_503_with_the_cause() -> None:
    bad: Verdict = (False, {"cause": "no stream of the log is open yet"})
    async with serving(ready=lambda: bad, healthy=lambda: bad) as server, asking(server) as session:
        for path in ("/readyz", "/healthz"):
            async with session.get(path) as answer:
                assert answer.status == 503
                assert (await answer.json())["cause"] == "no stream of the log is open yet"


async def test_being_not_ready_leaves_health_alone() -> None:
    async with (
        serving(ready=lambda: (False, {})) as server,
        asking(server) as session,
        session.get("/healthz") as answer,
    ):
        assert answer.status == 200


async def test_every_answer_is_asked_for_anew() -> None:
    states = iter(["running", "done"])
    async with serving(status=lambda: {"state": next(states)}) as server, asking(server) as session:
        seen = [await (await session.get("/api/v1/status")).json() for _ in range(2)]
    assert [one["state"] for one in seen] == ["running", "done"]


@pytest.mark.parametrize("path", ["/nothing", "/api/v1/", "/api/v2/status", "/healthz/", "/..%2fetc"])
async def test_an_unknown_path_is_404_as_json(path: str) -> None:
    async with serving() as server, asking(server) as session, session.get(path) as answer:
        assert (answer.status, answer.content_type) == (404, "application/json")
        assert (await answer.json())["error"] == "Not Found"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_nothing_can_be_changed(method: str) -> None:
    async with serving() as server, asking(server) as session, session.request(method, "/api/v1/status") as answer:
        assert (answer.status, answer.content_type) == (405, "application/json")
        assert answer.headers["Allow"] == "GET,HEAD"


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/metrics", "/api/v1/status"])
async def test_head_is_get_without_the_body(path: str) -> None:
    async with serving() as server, asking(server) as session:
        async with session.get(path) as full:
            length = len(await full.read())
        async with session.head(path) as answer:
            assert answer.status == 200
            assert await answer.read() == b""
            assert int(answer.headers["Content-Length"]) == length


@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/nothing"])
async def test_nothing_is_cached_sniffed_framed_or_told_about_us(path: str) -> None:
    async with serving() as server, asking(server) as session, session.get(path) as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Server"] == "watcher"


async def test_a_bug_is_a_500_in_json_and_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def breaks() -> Mapping[str, Any]:
        raise KeyError("stage")

    async with serving(status=breaks) as server, asking(server) as session, session.get("/api/v1/status") as answer:
        assert (answer.status, answer.content_type) == (500, "application/json")
        assert "KeyError" not in await answer.text()
    assert [record.getMessage() for record in caplog.records] == ["GET /api/v1/status failed"]


async def test_requests_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving() as server, asking(server) as session, session.get("/healthz"):
        pass
    assert [record for record in caplog.records if "healthz" in record.getMessage()] == []


# ---- addresses -------------------------------------------------------------------------------------------------------


async def test_port_0_takes_a_free_port_and_tells_which() -> None:
    async with serving("127.0.0.1:0") as one, serving("127.0.0.1:0") as other:
        assert one.port != other.port
        assert one.url == f"http://127.0.0.1:{one.port}"


@pytest.mark.parametrize("listen", [":0", "*:0", "0.0.0.0:0"])
async def test_no_host_means_every_address_on_one_port(listen: str) -> None:
    async with serving(listen) as server, aiohttp.ClientSession() as session:
        answer = await session.get(f"http://127.0.0.1:{server.port}/healthz")
        assert answer.status == 200


@pytest.mark.parametrize("host", LOOPBACKS)
async def test_an_ipv6_address_stands_in_brackets(host: str) -> None:
    async with serving(f"{host}:0") as server, asking(server) as session, session.get("/healthz") as answer:
        assert server.url == f"http://{host}:{server.port}"
        assert answer.status == 200


async def test_a_port_that_is_taken_on_every_address_is_one_line() -> None:
    async with serving(":0") as server:
        with pytest.raises(ConfigError, match="Address already in use"):
            async with serving(f":{server.port}"):
                pass


async def test_a_taken_port_is_one_line() -> None:
    async with serving() as server:
        with pytest.raises(ConfigError) as caught:
            async with serving(f"127.0.0.1:{server.port}"):
                pass
    expected = f"server.listen: cannot listen on 127.0.0.1:{server.port} (Address already in use); choose another"
    assert str(caught.value) == expected


@pytest.mark.parametrize(
    "listen",
    ["", "8080", "localhost", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "::1:8080", "127.0.0.1:-1", "a:²"],
)
async def test_what_is_no_address_is_one_line(listen: str) -> None:
    with pytest.raises(ConfigError, match=r"^server\.listen: .* is not host:port") as caught:
        async with serving(listen):
            pass
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("listen", ["no-such-host.invalid:0", f"{'a' * 64}.example:0", "203.0.113.77:0"])
async def test_an_address_that_is_not_ours_is_one_line(listen: str) -> None:
    with pytest.raises(ConfigError, match=r"^server\.listen: cannot listen on ") as caught:
        async with serving(listen):
            pass
    assert "\n" not in str(caught.value)


async def test_the_port_is_free_again_afterwards_even_with_a_client_still_connected() -> None:
    async with serving() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    async with serving(f"127.0.0.1:{server.port}") as again:
        assert again.port == server.port
    writer.close()


async def test_the_status_is_plain_json_with_its_own_letters() -> None:
    async with serving() as server, asking(server) as session, session.get("/api/v1/status") as answer:
        text = (await answer.read()).decode()
    assert "„Asset”" in text
    assert json.loads(text) == STATUS
