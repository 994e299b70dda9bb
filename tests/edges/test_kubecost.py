"""One request, one answer, one of four facts: against real servers, and sockets that misbehave on purpose."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date

import pytest
import regex
import trustme
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from watcher.answers import Answer, classify
from watcher.core.commands import Request
from watcher.core.events import RequestAccepted, RequestNotSent, RequestRefused, RequestUnclear
from watcher.core.window import Window
from watcher.errors import ConfigError
from watcher.kubecost import Endpoint, RepairRequester
from watcher.redact import one_line

WINDOW = Window.of_days(date(2023, 1, 1), date(2023, 1, 3))
ASSET = Request(request=7, stage="asset", window=WINDOW, attempt=1)
PATH = "/etl/asset/repair"
TAKEN = regex.compile(r"\ARepairing Asset ETL\z")
ACCEPTS = b'{"code":200,"data":"Repairing Asset ETL"}'

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter


@asynccontextmanager
async def requester(base: str, **options: object) -> AsyncIterator[RepairRequester]:
    """A requester for the asset stage at ``base``, closed at the end."""
    one = RepairRequester({"asset": Endpoint(base, PATH, (TAKEN,))}, **options)  # type: ignore[arg-type]
    try:
        yield one
    finally:
        await one.close()


@dataclass
class Wire:
    """What a raw server saw: connections, and the request heads that arrived whole."""

    base: str = ""
    connections: int = 0
    heads: list[bytes] = field(default_factory=list)


Manners = Callable[[Reader, Writer], Awaitable[None]]


@asynccontextmanager
async def raw_server(answer: Manners, *, greet: bool = True, tls: ssl.SSLContext | None = None) -> AsyncIterator[Wire]:
    """A server of bytes: reads request heads (unless ``greet`` is False) and does with the connection what it likes."""
    wire = Wire()
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: Reader, writer: Writer) -> None:
        wire.connections += 1
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            while True:
                if greet:
                    wire.heads.append(await reader.readuntil(b"\r\n\r\n"))
                await answer(reader, writer)
                if not greet:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    wire.base = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    try:
        yield wire
    finally:
        server.close()
        for task in talks:
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)


def says(raw: bytes, *, then_close: bool = True) -> Manners:
    """Answer with these bytes; end the connection, or keep it open and silent."""

    async def answer(_reader: Reader, writer: Writer) -> None:
        writer.write(raw)
        await writer.drain()
        if then_close:
            raise ConnectionError

    return answer


def whole(body: bytes = ACCEPTS, status: str = "200 OK", more: str = "") -> bytes:
    """A complete answer with a length, on a connection that may be kept."""
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{more}Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


async def hangs(reader: Reader, _writer: Writer) -> None:
    """Never answer."""
    await reader.read()


async def resets(_reader: Reader, writer: Writer) -> None:
    """Cut the connection with a reset instead of an orderly end."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    raise ConnectionError


# ---- what is sent ----------------------------------------------------------------------------------------------------


async def test_the_request_is_one_get_with_the_window_exactly_as_written() -> None:
    async with raw_server(says(whole())) as wire, requester(f"{wire.base}/model/") as kubecost:
        outcome = await kubecost.send(ASSET)
        url = kubecost.url("asset", WINDOW)

    assert outcome == RequestAccepted(7, "Repairing Asset ETL")
    assert url == f"{wire.base}/model/etl/asset/repair?window=2023-01-01T00:00:00Z,2023-01-04T00:00:00Z"
    (head,) = wire.heads
    first, *headers = head.decode().split("\r\n")
    assert first == "GET /model/etl/asset/repair?window=2023-01-01T00:00:00Z,2023-01-04T00:00:00Z HTTP/1.1"
    assert any(line.startswith("User-Agent: kubecost-repair-watcher/") for line in headers)
    assert not any(line.lower().startswith("cookie") for line in headers)


async def test_a_path_with_a_query_of_its_own_gets_the_window_behind_it() -> None:
    one = RepairRequester({"cloud": Endpoint("http://k:9003", "/cloud/repair?deep=true")})
    assert one.url("cloud", WINDOW).startswith("http://k:9003/cloud/repair?deep=true&window=2023-01-01T")


async def test_proxies_and_netrc_of_the_environment_are_not_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("default login somebody password from-netrc\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with raw_server(says(whole())) as wire, requester(wire.base) as kubecost:
        assert isinstance(await kubecost.send(ASSET), RequestAccepted)
    assert b"authorization" not in wire.heads[0].lower()


async def test_a_login_in_the_url_travels_as_a_header_and_shows_nowhere() -> None:
    """The server repeats the credentials in its error; the reason and the shown URL are free of them."""

    async def echo(_reader: Reader, writer: Writer) -> None:
        writer.write(whole(b"bad credentials: us/er s3cretword " + wire.heads[-1], "401 Unauthorized"))
        raise ConnectionError

    async with raw_server(echo) as wire:
        kubecost = RepairRequester({"asset": Endpoint(wire.base.replace("://", "://us%2Fer:s3cretword@"), PATH)})
        outcome = await kubecost.send(ASSET)
        await kubecost.close()
    assert "@" not in kubecost.url("asset", WINDOW)
    assert b"Authorization: Basic dXMvZXI6czNjcmV0d29yZA==" in wire.heads[0]
    assert isinstance(outcome, RequestRefused)
    assert "s3cretword" not in outcome.reason
    assert "dXMvZXI6czNjcmV0d29yZA==" not in outcome.reason
    assert "***" in outcome.reason


async def test_headers_are_sent_and_kept_out_of_reasons() -> None:
    login = {"Authorization": "Bearer token-of-mine"}
    manners = says(whole(b"token-of-mine is unknown", "403 Forbidden"))
    async with raw_server(manners) as wire, requester(wire.base, headers=login) as kubecost:
        outcome = await kubecost.send(ASSET)
    assert b"Authorization: Bearer token-of-mine\r\n" in wire.heads[0]
    assert isinstance(outcome, RequestRefused)
    assert "token-of-mine" not in outcome.reason


@pytest.mark.parametrize(
    ("url", "path", "word"),
    [
        ("kubecost:9090/model", PATH, "not an address"),
        ("ftp://kubecost", PATH, "not an address"),
        ("http://", PATH, "not an address"),
        ("http://kubecost:99999", PATH, "not an address"),
        ("http://[::1", PATH, "not an address"),
        ("http://kubecost/?window=x", PATH, "query"),
        ("http://kubecost/#top", PATH, "fragment"),
        ("http://kube cost", PATH, "space"),
        ("http://kubecost/m\r\nX: y", PATH, "space"),
        ("http://kübecost", PATH, "ASCII"),
        ("http://kubecost", "etl/asset/repair", "slash"),
        ("http://a%3Ab:c@kubecost", PATH, "colon"),
        (f"http://{'k' * 64}.local", PATH, "not an address"),
    ],
)
def test_an_address_that_cannot_be_used_is_found_before_anything_is_sent(url: str, path: str, word: str) -> None:
    with pytest.raises(ConfigError, match=word) as caught:
        RepairRequester({"asset": Endpoint(url, path)})
    assert str(caught.value).startswith("stage asset: ")
    assert len(str(caught.value).splitlines()) == 1


def test_every_unusable_endpoint_is_named_and_no_password_is_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        RepairRequester(
            {"asset": Endpoint("http://me:hush@kubecost", PATH), "allocation": Endpoint("hush", PATH)},
            headers={"authorization": "Bearer x"},
        )
    assert [problem.split(":")[0] for problem in caught.value.problems] == ["stage asset", "stage allocation"]
    assert "hush" not in str(caught.value)


# ---- provably not sent -----------------------------------------------------------------------------------------------


async def test_a_refused_connection_is_not_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with requester(f"http://127.0.0.1:{port}") as kubecost:
        outcome = await kubecost.send(ASSET)
    assert outcome == RequestNotSent(7, f"no connection to 127.0.0.1:{port}: Connection refused; nothing was sent")


async def test_an_unknown_host_is_not_sent() -> None:
    async with requester("http://kubecost.invalid:9090/model", timeout=5) as kubecost:
        outcome = await kubecost.send(ASSET)
    assert isinstance(outcome, RequestNotSent)
    assert "kubecost.invalid:9090" in outcome.reason


async def test_a_connection_that_never_opens_is_not_sent() -> None:
    """The listener's queue is full, so the kernel leaves the handshake hanging."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        crowd = [socket.socket() for _ in range(3)]
        for one in crowd:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        async with requester(f"http://127.0.0.1:{port}", timeout=0.3) as kubecost:
            outcome = await kubecost.send(ASSET)
        for one in crowd:
            one.close()
    assert isinstance(outcome, RequestNotSent)
    assert "0.3 s" in outcome.reason


async def test_after_close_nothing_is_sent() -> None:
    async with raw_server(says(whole())) as wire, requester(wire.base) as kubecost:
        await kubecost.send(ASSET)
        await kubecost.close()
        assert isinstance(await kubecost.send(ASSET), RequestNotSent)
        await kubecost.close()
    assert wire.connections == 1


# ---- TLS -------------------------------------------------------------------------------------------------------------


def secure(base: str) -> str:
    """The same server, addressed as if it spoke TLS."""
    return base.replace("http:", "https:")


def tls_server(ca: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    """A server's context with a certificate for ``name``."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert(name).configure_cert(context)
    return context


async def test_tls_with_a_trusted_certificate_works() -> None:
    ca = trustme.CA()
    trust = ssl.create_default_context()
    ca.configure_trust(trust)
    async with raw_server(says(whole()), tls=tls_server(ca)) as wire, requester(wire.base, ssl=trust) as kubecost:
        assert await kubecost.send(ASSET) == RequestAccepted(7, "Repairing Asset ETL")
    assert len(wire.heads) == 1


@pytest.mark.parametrize(("trusted", "name"), [(False, "127.0.0.1"), (True, "elsewhere.example")])
async def test_a_certificate_we_do_not_trust_is_not_sent(trusted: bool, name: str) -> None:
    ca = trustme.CA()
    trust = ssl.create_default_context()
    if trusted:
        ca.configure_trust(trust)
    async with raw_server(says(whole()), tls=tls_server(ca, name)) as wire, requester(wire.base, ssl=trust) as kubecost:
        outcome = await kubecost.send(ASSET)
    assert isinstance(outcome, RequestNotSent)
    assert "certificate is not trusted" in outcome.reason
    assert wire.heads == []


async def test_verification_can_be_switched_off() -> None:
    async with (
        raw_server(says(whole()), tls=tls_server(trustme.CA())) as wire,
        requester(wire.base, ssl=False) as kubecost,
    ):
        assert isinstance(await kubecost.send(ASSET), RequestAccepted)


async def test_a_server_that_speaks_no_tls_is_not_sent() -> None:
    manners = says(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    async with raw_server(manners, greet=False) as wire, requester(secure(wire.base)) as kubecost:
        outcome = await kubecost.send(ASSET)
    assert isinstance(outcome, RequestNotSent)
    assert "TLS failed" in outcome.reason


async def test_a_handshake_that_never_ends_is_not_sent() -> None:
    async with raw_server(hangs, greet=False) as wire, requester(secure(wire.base), timeout=0.3) as kubecost:
        assert isinstance(await kubecost.send(ASSET), RequestNotSent)


# ---- nobody knows ----------------------------------------------------------------------------------------------------


BREAKS = {
    "closes after the request": says(b""),
    "resets after the request": resets,
    "half a status line": says(b"HTTP/1.1 20"),
    "half the headers": says(b"HTTP/1.1 200 OK\r\nContent-Ty"),
    "half the body": says(whole()[:-10]),
    "half a chunk": says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n29\r\n" + ACCEPTS[:10]),
    "not HTTP": says(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "switching protocols": says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"),
    "a status that is none": says(b"HTTP/1.1 999999 Odd\r\n\r\n"),
    "a header without end": says(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 100_000 + b"\r\n\r\n"),
    "two lengths": says(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
    "a broken gzip body": says(whole(more="Content-Encoding: gzip\r\n")),
    "never answers": hangs,
    "headers, then nothing": says(whole()[: -len(ACCEPTS)], then_close=False),
}


@pytest.mark.parametrize("manners", BREAKS.values(), ids=BREAKS.keys())
async def test_what_breaks_after_the_connection_stood_is_unclear_and_arrived_once(manners: Manners) -> None:
    """Left alone, aiohttp sends a GET a second time after a broken connection; here exactly one arrives."""
    async with raw_server(manners) as wire, requester(wire.base, timeout=0.4) as kubecost:
        outcome = await kubecost.send(ASSET)
        await asyncio.sleep(0.05)  # a second try would come at once
    assert isinstance(outcome, RequestUnclear), outcome
    assert outcome.request == 7
    assert (wire.connections, len(wire.heads)) == (1, 1)


async def test_closed_before_the_request_was_read_is_unclear_and_tried_once() -> None:
    async with raw_server(says(b""), greet=False) as wire, requester(wire.base) as kubecost:
        outcome = await kubecost.send(ASSET)
        await asyncio.sleep(0.05)
    assert isinstance(outcome, RequestUnclear)
    assert wire.connections == 1


async def test_a_kept_connection_that_dies_under_the_next_request_is_not_tried_again() -> None:
    """The classic: the server offers keep-alive, then drops the connection as the second request comes."""
    answers = iter([whole(more="Connection: keep-alive\r\n"), b""])

    async def answer(_reader: Reader, writer: Writer) -> None:
        raw = next(answers)
        writer.write(raw)
        await writer.drain()
        if not raw:
            raise ConnectionError

    async with raw_server(answer) as wire, requester(wire.base) as kubecost:
        first = await kubecost.send(ASSET)
        second = await kubecost.send(ASSET)
        await asyncio.sleep(0.05)
    assert isinstance(first, RequestAccepted)
    assert isinstance(second, RequestUnclear)
    assert len(wire.heads) == 2
    assert wire.connections == 2, "no connection is used twice"


async def test_an_endless_body_is_read_no_further_than_the_cap() -> None:
    async def pour(_reader: Reader, writer: Writer) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    async with raw_server(pour) as wire, requester(wire.base, timeout=10) as kubecost:
        started = time.monotonic()
        outcome = await kubecost.send(ASSET)
    assert isinstance(outcome, RequestUnclear)
    assert "64 KiB" in outcome.reason
    assert time.monotonic() - started < 5


async def test_a_cancelled_request_stays_cancelled() -> None:
    arrived = asyncio.Event()

    async def hang(reader: Reader, _writer: Writer) -> None:
        arrived.set()
        await reader.read()

    async with raw_server(hang) as wire, requester(wire.base) as kubecost, asyncio.TaskGroup() as group:
        task = group.create_task(kubecost.send(ASSET), name="send")
        await arrived.wait()
        task.cancel()
    assert task.cancelled()


# ---- answers ---------------------------------------------------------------------------------------------------------

JSON, TEXT, HTML = "application/json", "text/plain", "text/html"
LOGIN_PAGE = "<!DOCTYPE html><html><head><title>Sign in</title></head></html>"

ANSWERS = [
    (200, JSON, '{"code":200,"data":"Repairing Asset ETL"}', RequestAccepted, "Repairing Asset ETL"),
    (200, TEXT, '{"code":200,"data":"Repairing Asset ETL"}', RequestAccepted, "Repairing Asset ETL"),
    (200, JSON, '{"code":200,"data":"Something else"}', RequestAccepted, "not an answer that the profile knows"),
    (200, JSON, '{"code":200,"data":null}', RequestAccepted, "null"),
    (200, JSON, '{"code":500,"data":null,"message":"no store"}', RequestRefused, "code 500: no store"),
    (200, JSON, '{"code":400}', RequestRefused, "code 400"),
    (200, HTML, LOGIN_PAGE, RequestRefused, "login page"),
    (200, JSON, "\n " + LOGIN_PAGE, RequestRefused, "login page"),
    (200, JSON, "", RequestUnclear, "empty"),
    (200, JSON, "{", RequestUnclear, "{"),
    (200, JSON, "[200]", RequestUnclear, "[200]"),
    (200, JSON, '{"data":"Repairing Asset ETL"}', RequestUnclear, "Repairing"),
    (200, JSON, '{"code":true}', RequestUnclear, "200 without"),
    (200, JSON, '{"code":"200"}', RequestUnclear, "200 without"),
    (200, JSON, "[" * 20_000, RequestUnclear, "200 without"),
    (202, JSON, '{"code":200,"data":"x"}', RequestUnclear, "202 Accepted"),
    (204, TEXT, "", RequestUnclear, "204"),
    (304, TEXT, "", RequestRefused, "304"),
    (400, JSON, "Invalid parameter: illegal window: x", RequestRefused, "illegal window"),
    (400, JSON, '{"code":400,"message":"bad\\nwindow"}', RequestRefused, "bad window"),
    (401, HTML, LOGIN_PAGE, RequestRefused, "wants a login"),
    (403, TEXT, "RBAC: access denied", RequestRefused, "RBAC: access denied"),
    (404, TEXT, "404 page not found", RequestRefused, "/model"),
    (405, TEXT, "", RequestRefused, "405 Method Not Allowed"),
    (429, TEXT, "slow down", RequestNotSent, "slow down"),
    (500, JSON, '{"code":500,"data":null,"message":"boundary"}', RequestRefused, "boundary"),
    (500, JSON, '{"code":200,"data":"odd"}', RequestUnclear, "odd"),
    (500, TEXT, "panic", RequestUnclear, "panic"),
    (501, TEXT, "", RequestRefused, "not set up"),
    (502, HTML, "<html>", RequestUnclear, "502 Bad Gateway"),
    (503, JSON, '{"code":503,"message":"starting"}', RequestUnclear, "starting"),
    (504, HTML, "<html>", RequestUnclear, "504 Gateway Timeout"),
]


@pytest.mark.parametrize(("status", "kind", "body", "expected", "word"), ANSWERS)
async def test_answers_are_told_apart(status: int, kind: str, body: str, expected: type, word: str) -> None:
    """Through a real server, so that what is tested is what aiohttp makes of the bytes."""
    calls: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        calls.append(request.path_qs)
        return web.Response(status=status, body=body.encode(), content_type=kind)

    async with http_server(answer) as base, requester(f"{base}/model") as kubecost:
        outcome = await kubecost.send(ASSET)
    assert isinstance(outcome, expected), outcome
    assert word in (outcome.answer if isinstance(outcome, RequestAccepted) else outcome.reason)
    assert calls == [f"/model{PATH}?window=2023-01-01T00:00:00Z,2023-01-04T00:00:00Z"]


@pytest.mark.parametrize(
    ("location", "where"),
    [
        ("https://login.example.com/oauth?state=verysecret", "to login.example.com"),
        ("/login?state=verysecret", "elsewhere on the same host"),
        ("http://[broken", "elsewhere on the same host"),
        (None, "elsewhere on the same host"),
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_refused_and_never_followed(status: int, location: str | None, where: str) -> None:
    """A single sign-on in front of Kubecost: the host is named, the rest of the location is not."""
    headers = "" if location is None else f"Location: {location}\r\n"
    async with raw_server(says(whole(b"", f"{status} Go", headers))) as wire, requester(wire.base) as kubecost:
        outcome = await kubecost.send(ASSET)
    assert isinstance(outcome, RequestRefused)
    assert where in outcome.reason
    assert "secret" not in outcome.reason
    assert len(wire.heads) == 1


async def test_a_refusal_whose_body_breaks_off_is_still_a_refusal() -> None:
    async with raw_server(says(whole(b"no such page", "404 Not Found")[:-4])) as wire, requester(wire.base) as kubecost:
        outcome = await kubecost.send(ASSET)
    assert isinstance(outcome, RequestRefused)
    assert len(wire.heads) == 1


async def test_a_reason_is_one_short_clean_line() -> None:
    body = json.dumps({"code": 400, "message": "\x1b[31mred\x00\r\n\u2028\u202eend " + "long " * 200}).encode()
    async with raw_server(says(whole(body, "400 Bad Request"))) as wire, requester(wire.base) as kubecost:
        outcome = await kubecost.send(ASSET)
    assert isinstance(outcome, RequestRefused)
    assert "[31mred end long" in outcome.reason
    assert outcome.reason.isprintable()
    assert len(outcome.reason) == 300


async def test_a_pattern_that_runs_away_does_not_hold_the_answer_up() -> None:
    evil = regex.compile(r"(?:(?:a|aa)+)+b")
    started = time.monotonic()
    answer = Answer(200, "OK", JSON, "", json.dumps({"code": 200, "data": "a" * 60}), cut=False)
    outcome = classify(1, answer, (evil,))
    assert isinstance(outcome, RequestAccepted)
    assert "not an answer" in outcome.answer
    assert time.monotonic() - started < 5


@given(status=st.integers(100, 599), kind=st.sampled_from([JSON, TEXT, HTML]), text=st.text(), location=st.text())
def test_only_kubecosts_own_yes_is_acceptance(status: int, kind: str, text: str, location: str) -> None:
    """Whatever a server sends, there is one verdict, and random bodies are never an acceptance."""
    outcome = classify(3, Answer(status, "", kind, location, text, cut=False))
    assert outcome.request == 3
    assert isinstance(outcome, RequestRefused | RequestUnclear | RequestNotSent)


@given(text=st.text(), secret=st.text(min_size=4).filter(lambda text: "*" not in text))
def test_a_line_for_people_is_short_printable_and_free_of_secrets(text: str, secret: str) -> None:
    line = one_line(f"{text}{secret}{text}", [secret])
    assert secret not in line
    assert len(line) <= 300
    assert line.isprintable()


@asynccontextmanager
async def http_server(answer: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    """An aiohttp server that answers every path with ``answer``; yields its base URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
