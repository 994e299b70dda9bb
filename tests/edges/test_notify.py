"""Messages arrive at real ends: an SMTP server, a Slack webhook, a JSON webhook; and failures stay harmless."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session
from apprise.plugins.slack import NotifySlack

from watcher.core.commands import Notify
from watcher.core.events import NotificationFailed, NotificationSent
from watcher.notify import MOST_THREADS, Notifier

SLACK = "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
BODY = "3 days done\n2 concluded <from> the next day's start"


def message(destination: str, severity: str = "success") -> Notify:
    return Notify(message=4, destination=destination, title="asset done", body=BODY, severity=severity)


@dataclass
class Hook:
    """A webhook that keeps what it was sent and answers with ``status``."""

    address: str = ""
    status: int = 200
    posts: list[tuple[str, Any]] = field(default_factory=list)


@asynccontextmanager
async def webhook(status: int = 200) -> AsyncIterator[Hook]:
    hook = Hook(status=status)

    async def take(request: web.Request) -> web.Response:
        hook.posts.append((request.path, await request.json()))
        return web.Response(status=hook.status, text="ok")

    app = web.Application()
    app.router.add_post("/{path:.*}", take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        hook.address = f"127.0.0.1:{runner.addresses[0][1]}"
        yield hook
    finally:
        await runner.cleanup()


class Mailbox:
    """An SMTP server's memory."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], EmailMessage]] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.content
        assert isinstance(content, bytes)
        self.mails.append((list(envelope.rcpt_tos), message_from_bytes(content, policy=policy.default)))
        return "250 OK"


@asynccontextmanager
async def smtp_server() -> AsyncIterator[tuple[int, Mailbox]]:
    box = Mailbox()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(box, hostname="mail.example.com"), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], box
    finally:
        server.close()


@contextmanager
def tarpit() -> Iterator[int]:
    """A server that takes every connection and never says a word; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


# ---- real ends -------------------------------------------------------------------------------------------------------


async def test_an_email_arrives_with_title_and_lines() -> None:
    async with smtp_server() as (port, box):
        notifier = Notifier({"mail": f"mailto://127.0.0.1:{port}/?from=watcher@example.com&to=ops@example.com"})
        outcome = await notifier.send(message("mail"))
    assert outcome == NotificationSent(4, "mail")
    ((recipients, mail),) = box.mails
    assert recipients == ["ops@example.com"]
    assert mail["Subject"] == "asset done"
    assert mail["From"] == "watcher@example.com"
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content().replace("\r\n", "\n").strip() == BODY


async def test_a_slack_post_arrives(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin is apprise's own; only the address that it has built in points to our server."""
    async with webhook() as hook:
        monkeypatch.setattr(NotifySlack, "webhook_url", f"http://{hook.address}/services")
        outcome = await Notifier({"slack": f"{SLACK}/#repairs"}).send(message("slack", "failure"))
    assert outcome == NotificationSent(4, "slack")
    ((path, post),) = hook.posts
    assert path == "/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"
    assert post["channel"] == "#repairs"
    (attachment,) = post["attachments"]
    assert attachment["title"] == "asset done"
    assert "3 days done\n2 concluded" in attachment["text"]
    assert attachment["footer"] == "Kubecost repair watcher"
    assert attachment["color"] == "#A32037", "the red of a failure"


@pytest.mark.parametrize(
    ("severity", "kind"),
    [("info", "info"), ("success", "success"), ("warning", "warning"), ("failure", "failure"), ("odd", "info")],
)
async def test_a_json_post_arrives_with_its_severity(severity: str, kind: str) -> None:
    async with webhook() as hook:
        outcome = await Notifier({"hook": f"json://{hook.address}/repairs"}).send(message("hook", severity))
    assert outcome == NotificationSent(4, "hook")
    ((path, post),) = hook.posts
    assert path == "/repairs"
    assert (post["title"], post["message"], post["type"]) == ("asset done", BODY, kind)


async def test_one_message_goes_to_one_destination_only() -> None:
    async with webhook() as one, webhook() as other:
        notifier = Notifier({"one": f"json://{one.address}", "other": f"json://{other.address}"})
        await notifier.send(message("one"))
    assert (len(one.posts), len(other.posts)) == (1, 0)


async def test_the_test_sends_one_real_message_to_each_and_tells_them_apart() -> None:
    async with webhook() as good, webhook(status=500) as bad:
        results = await Notifier(
            {"good": f"json://{good.address}", "bad": f"json://{bad.address}", "broken": "slack://short"}
        ).test()
    assert [(name, ok) for name, ok, _ in results] == [("good", True), ("bad", False), ("broken", False)]
    assert results[0][2] == "sent"
    assert "500" in results[1][2]
    assert "Token" in results[2][2]
    assert (len(good.posts), len(bad.posts)) == (1, 1)


# ---- failures --------------------------------------------------------------------------------------------------------


async def test_a_failing_destination_is_a_fact_with_a_reason() -> None:
    async with webhook(status=503) as hook:
        outcome = await Notifier({"hook": f"json://{hook.address}"}).send(message("hook"))
    assert isinstance(outcome, NotificationFailed)
    assert (outcome.message, outcome.destination) == (4, "hook")
    assert "503" in outcome.reason
    assert "\n" not in outcome.reason


async def test_an_optional_destination_that_fails_has_not_been_sent_to() -> None:
    """For apprise that is a success; nothing was delivered all the same."""
    async with webhook(status=500) as hook:
        outcome = await Notifier({"hook": f"json://{hook.address}?optional=yes"}).send(message("hook"))
    assert isinstance(outcome, NotificationFailed)


async def test_the_url_may_ask_for_retries() -> None:
    async with webhook(status=500) as hook:
        outcome = await Notifier({"hook": f"json://{hook.address}?retry=2&wait=0"}).send(message("hook"))
    assert isinstance(outcome, NotificationFailed)
    assert len(hook.posts) == 3


async def test_an_unknown_destination_is_a_failure_too() -> None:
    """The outbox may hold messages that are older than the configuration."""
    outcome = await Notifier({}).send(message("gone"))
    assert isinstance(outcome, NotificationFailed)
    assert "configuration" in outcome.reason


async def test_a_hanging_destination_fails_in_time_while_the_loop_ticks() -> None:
    longest = 0.0

    async def watch_the_loop() -> None:
        nonlocal longest
        while True:
            before = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - before)

    with tarpit() as port:
        notifier = Notifier({"pit": f"json://127.0.0.1:{port}?rto=3"}, timeout=0.5)
        async with asyncio.TaskGroup() as group:
            ticking = group.create_task(watch_the_loop(), name="tick")
            started = time.monotonic()
            outcome = await notifier.send(message("pit"))
            took = time.monotonic() - started
            ticking.cancel()
    assert isinstance(outcome, NotificationFailed)
    assert "0.5 s" in outcome.reason
    assert took < 2
    assert longest < 0.4


async def test_hanging_deliveries_do_not_pile_up() -> None:
    with tarpit() as port:
        notifier = Notifier({"pit": f"json://127.0.0.1:{port}?rto=3"}, timeout=0.05)
        outcomes = [await notifier.send(message("pit")) for _ in range(MOST_THREADS + 2)]
        stuck = [thread for thread in threading.enumerate() if thread.name == "notify"]
    assert all(isinstance(outcome, NotificationFailed) for outcome in outcomes)
    assert "not tried" in getattr(outcomes[-1], "reason", "")
    assert len(stuck) <= MOST_THREADS


def test_a_stuck_delivery_does_not_hold_up_the_end_of_the_process() -> None:
    script = textwrap.dedent(
        """
        import asyncio, socket, time
        from watcher.core.commands import Notify
        from watcher.notify import Notifier

        async def main(port):
            notifier = Notifier({"pit": f"json://127.0.0.1:{port}?rto=60"}, timeout=0.2)
            print(type(await notifier.send(Notify(1, "pit", "t", "b", "info"))).__name__)

        server = socket.create_server(("127.0.0.1", 0))  # open to the end: nothing lets the delivery go
        asyncio.run(main(server.getsockname()[1]))
        print("loop closed", flush=True)
        """
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.split("\n")[:2] == ["NotificationFailed", "loop closed"]
    assert done.stderr == ""


async def test_a_cancelled_delivery_stays_cancelled() -> None:
    with tarpit() as port:
        notifier = Notifier({"pit": f"json://127.0.0.1:{port}?rto=1"})
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await notifier.send(message("pit"))


# ---- bad URLs and secrets --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "slak://hushhush/x",
        "nothing-with-hushhush",
        "slack://hushhush",
        "mailto://me:hushhush@",
        "http://hushhush/x",
        "",
    ],
)
async def test_a_bad_url_is_found_at_once_and_named_without_its_secret(url: str) -> None:
    notifier = Notifier({"fine": "json://localhost", "ops": url})
    (problem,) = notifier.problems()
    assert problem.startswith("destination 'ops': ")
    assert "hushhush" not in problem
    assert "\n" not in problem
    outcome = await notifier.send(message("ops"))
    assert isinstance(outcome, NotificationFailed)
    assert "hushhush" not in outcome.reason


async def test_no_secret_of_the_url_is_in_a_reason_or_in_any_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Left alone, apprise and urllib3 log the whole webhook at debug level."""
    caplog.set_level(1)
    reasons = []
    async with webhook(status=404) as hook:
        monkeypatch.setattr(NotifySlack, "webhook_url", f"http://{hook.address}/services")
        secretive = f"json://me:hushhush@{hook.address}/pathtoken?+X-Key=headertoken&:k=fieldtoken"
        notifier = Notifier({"slack": SLACK, "hook": secretive})
        for name in ("slack", "hook"):
            outcome = await notifier.send(message(name))
            assert isinstance(outcome, NotificationFailed)
            reasons.append(outcome.reason)
    assert [path for path, _ in hook.posts] == ["/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "/pathtoken"]
    told = "\n".join([*caplog.messages, *reasons])
    for secret in ("TIiajkdnlazkcOXrIdevi7FQ", "T1JJ3T3L2", "hushhush", "pathtoken", "headertoken", "fieldtoken"):
        assert secret not in told


def test_without_destinations_apprise_is_not_even_imported() -> None:
    script = "import sys; from watcher.notify import Notifier; print(Notifier({}).problems(), 'apprise' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout.strip() == "() False"
