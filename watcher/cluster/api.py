"""What the follower needs of the Kubernetes API, and the one kind of trouble that it makes. No client library here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

Query = Sequence[tuple[str, str]]

BAD_REQUEST: Final = 400
NOT_FOUND: Final = 404


class Trouble(Exception):
    """The API could not be used just now. ``status``: None where no answer came; ``wait``: its Retry-After, in s."""

    def __init__(self, cause: str, status: int | None = None, wait: float | None = None) -> None:
        super().__init__(cause)
        self.cause = cause
        self.status = status
        self.wait = wait


class InBand(Trouble):
    """The kubelet wrote an error in place of (more) log into an answer that was a success already."""


class Silence(Trouble):
    """Nothing came for so long that the connection cannot be told from a dead one."""


class LogStream(Protocol):
    """The body of one answer of the log API."""

    async def read(self) -> bytes:
        """The next bytes as they come; empty at a clean end, which proves nothing. Raises Trouble."""
        ...

    async def close(self) -> None:
        """Give the connection up. May be called twice."""
        ...


class Api(Protocol):
    """What the follower needs of the Kubernetes API. Everything but ``open`` raises nothing but Trouble."""

    async def open(self) -> None:
        """Read the configuration; raises ConfigError where the operator must act."""
        ...

    async def get(self, path: str, query: Query = ()) -> dict[str, Any]:
        """One object or list."""
        ...

    async def log(self, namespace: str, pod: str, query: Query) -> LogStream:
        """Open the log of a pod."""
        ...

    async def close(self) -> None:
        """Give up all connections. The next request opens new ones."""
        ...
