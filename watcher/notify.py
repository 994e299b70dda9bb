"""Delivers messages by apprise, one destination at a time; the only file that knows apprise.

apprise is blocking code of many authors. Each delivery therefore runs in a daemon thread of its own: it can be given
up after a while, and neither the loop nor the end of the process ever waits for it. The pools of asyncio and of apprise
are avoided for that reason; both are joined when the interpreter exits.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import re
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from watcher.absent import without
from watcher.core.commands import Notify
from watcher.core.events import NotificationFailed, NotificationSent
from watcher.redact import one_line

if TYPE_CHECKING:  # importing apprise takes a third of a second, and most commands never send anything
    from apprise import Apprise, AppriseAsset, AppriseResult, NotifyBase

APP = "Kubecost repair watcher"
MOST_THREADS = 4  # for one destination; more are not started while those hang


class Notifier:
    """Sends to the destinations by name; their apprise URLs are secrets and never shown.

    ``timeout`` is seconds for one attempt; where a URL asks apprise for several (``retry=``, ``wait=``), for each.
    """

    def __init__(self, destinations: Mapping[str, str], *, timeout: float = 30.0) -> None:
        asset = _asset() if destinations else None
        self._destinations = {name: _Destination(url, asset, timeout) for name, url in destinations.items()}

    def problems(self) -> tuple[str, ...]:
        """One line for every destination whose URL can't be used; messages to it will fail with that reason."""
        return tuple(f"destination {name!r}: {one.problem}" for name, one in self._destinations.items() if one.problem)

    @property
    def longest(self) -> float:
        """How many seconds a message to one destination takes at most."""
        return max((one.seconds for one in self._destinations.values()), default=0.0)

    async def send(self, notify: Notify) -> NotificationSent | NotificationFailed:
        """Deliver one message to one destination. Never raises; a failure comes with a reason free of secrets."""
        one = self._destinations.get(notify.destination)
        if one is None:  # the message is older than the configuration
            reason: str | None = "there is no destination of this name in the configuration any more"
        else:
            reason = await one.deliver(notify.title, notify.body, notify.severity)
        if reason is None:
            return NotificationSent(notify.message, notify.destination)
        return NotificationFailed(notify.message, notify.destination, reason)

    async def test(self) -> list[tuple[str, bool, str]]:
        """One real message to every destination at the same time; name, success and detail of each, in order."""
        title, body = f"{APP}: test", "This is a test. Messages about repairs will arrive here."
        reasons = await asyncio.gather(*(one.deliver(title, body, "info") for one in self._destinations.values()))
        return [
            (name, reason is None, reason or "sent") for name, reason in zip(self._destinations, reasons, strict=True)
        ]


class _Destination:
    def __init__(self, url: str, asset: AppriseAsset | None, timeout: float) -> None:
        self._secrets = _secrets(url)
        self._service, self.seconds, self.problem = self._load(url, asset, timeout)
        self._threads: list[threading.Thread] = []

    def _load(self, url: str, asset: AppriseAsset | None, timeout: float) -> tuple[Apprise | None, float, str | None]:
        from apprise import Apprise  # noqa: PLC0415  see the top

        with _overheard() as words:
            plugin = _quick(url, asset) or Apprise.instantiate(url, asset=asset)
        if plugin is None:
            why = one_line(words[0] if words else "it gave no reason", self._secrets)
            return (
                None,
                0.0,
                f"apprise does not take its URL ({why}); compare it with the service's page in apprise's docs",
            )
        service = Apprise(asset=asset)
        service.add(plugin)
        return service, timeout * (1 + plugin.retry) + plugin.wait * plugin.retry, None

    async def deliver(self, title: str, body: str, severity: str) -> str | None:
        """None when the message was taken, else the reason; at the latest when the time is over."""
        service = self._service
        if service is None:
            return self.problem
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        if len(self._threads) >= MOST_THREADS:
            return f"{len(self._threads)} earlier messages still hang in the delivery; not tried"
        try:
            thread, reason = _in_thread(lambda: _notify(service, title, body, severity))
            self._threads.append(thread)
            return one_line(said, self._secrets) if (said := await asyncio.wait_for(reason, self.seconds)) else None
        except TimeoutError:
            return f"no result within {self.seconds:g} s; the message may still arrive"
        except RuntimeError as error:  # the system gives no more threads
            return one_line(str(error))


def _in_thread(call: Callable[[], str | None]) -> tuple[threading.Thread, asyncio.Future[str | None]]:
    """Start ``call`` in a daemon thread; the future gets what it returns."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[str | None] = loop.create_future()

    def settle(result: str | None) -> None:
        if not future.done():
            future.set_result(result)

    def run() -> None:
        result = call()
        with suppress(RuntimeError):  # given up, and the loop is closed by now
            loop.call_soon_threadsafe(settle, result)

    thread = threading.Thread(target=run, name="notify", daemon=True)
    thread.start()
    return thread, future


def _notify(service: Apprise, title: str, body: str, severity: str) -> str | None:
    """One blocking delivery: None when the service took the message, else the last thing apprise said about it."""
    from apprise import NotifyFormat, NotifyType  # noqa: PLC0415

    kind = NotifyType(severity) if severity in set(NotifyType) else NotifyType.INFO
    try:
        result = service.notify(body=body, title=title, notify_type=kind, body_format=NotifyFormat.TEXT)
        return None if _is_taken(result) else _last_words(result)
    except Exception as error:  # noqa: BLE001  whatever a plugin raises, the repair goes on
        return f"{type(error).__name__}: {error}"


def _is_taken(result: AppriseResult) -> bool:
    """The last attempt tells: apprise's own verdict calls a failure of an ``optional=yes`` URL a success."""
    attempts = [attempt for service in result for attempt in service]
    return bool(attempts) and bool(attempts[-1])


def _last_words(result: AppriseResult) -> str:
    words = [entry.message for entry in result.logs()]
    return words[-1] if words else "apprise gave no reason"


def _quick(url: str, asset: AppriseAsset | None) -> NotifyBase | None:
    """What ``Apprise.instantiate`` gives, where the service's module has the name of the scheme (``slack``).

    To find one service apprise loads all of them: 17 MB, and half of the time that the daemon takes to start. None
    where it does not work out, for whatever reason: apprise itself knows more, and says what is wrong.
    """
    scheme = url.partition("://")[0].lower()
    try:
        module = importlib.import_module(f"apprise.plugins.{scheme}") if scheme.isalnum() else None
        service = next(each for name, each in vars(module).items() if name.lower() == f"notify{scheme}")
        settings = service.parse_url(url.replace("/#", "/%23")) if service.enabled else None
        plugin: NotifyBase | None = service(**settings, tag=set(), asset=asset) if settings else None
    except Exception:  # noqa: BLE001  of many authors
        return None
    return plugin if plugin is not None and plugin.enabled else None


def _asset() -> AppriseAsset:
    """What all destinations share: who we are, nothing on disk, and no deadline of apprise's own.

    Its deadline would make apprise move each delivery into a pool of its own (apprise 2.2, ``_notify_sequential``).
    """
    _load_requests()
    from apprise import AppriseAsset, PersistentStoreMode  # noqa: PLC0415

    _quiet()
    return AppriseAsset(
        app_id=APP, app_desc=APP, app_url="", service_timeout=0, storage_mode=PersistentStoreMode.MEMORY
    )


def _load_requests() -> None:
    """Load the HTTP library under apprise before apprise does, without the one that guesses character sets: 3 MB.

    The guess is for an answer that names no character set. That library takes it for UTF-8 instead, but warns of it.
    """
    warnings.filterwarnings("ignore", "Unable to find acceptable character detection dependency")
    with suppress(ImportError), without("charset_normalizer"):
        importlib.import_module("requests")


def _quiet() -> None:
    """Keep apprise and the HTTP library under it from logging: below WARNING both print whole URLs with their tokens.

    Nothing is lost: what apprise has to say about a failure is in the reason.
    """
    for name in ("apprise", "urllib3", "requests"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        if logger.propagate:
            logger.propagate = False
            logger.addHandler(logging.NullHandler())  # without one, Python prints warnings to stderr


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """What apprise logs meanwhile: the only way it says why it refuses a URL.

    The first URL loads all plugins; the one for e-mail imports ``imghdr``, deprecated until it went in Python 3.13.
    """
    words: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: words.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("apprise")
    logger.addHandler(handler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield words
    finally:
        logger.removeHandler(handler)


def _secrets(url: str) -> frozenset[str]:
    """Every piece of an apprise URL that may be a secret, as written and decoded: all but the scheme and a host's name.

    Which piece is the token differs from service to service; a Slack URL has one in the place of the host.
    """
    scheme, _, rest = url.partition("://")
    pieces = set(re.split(r"[/?&=@:,;#\s]+", rest or scheme))
    with suppress(ValueError):
        host = urlsplit(url).hostname or ""
        if "." in host or host == "localhost":
            pieces -= {host, host.upper()}
    return frozenset(pieces | {unquote(piece) for piece in pieces})
