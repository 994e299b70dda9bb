"""How long the follower waits for what, in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Rhythm:
    """The intervals of the follower, all in seconds."""

    answer: float = 15.0  # an API request, or the head of a log's answer: a server may hang without one for minutes
    connect: float = 10.0
    sock_read: float = 90.0  # silence on an open stream until it is reopened
    probe_idle: float = 30.0  # silence until the log's newest line is looked at over another connection
    stall: float = 5.0  # how long a line that a look has seen may be missing from a silent stream
    settle: float = 1.0  # silence that is long enough to call a stream idle
    poll: float = 5.0  # between two looks at the pod
    lag: float = 10.0  # how far the API's picture of a pod may lag behind the kubelet
    give_up: float = 30.0  # how long the rest of a log is tried for that may be gone, while the next one waits
    drain: float = 2.0  # between two readings of a dead container's log, the kubelet may still be flushing
    lifetime: float = 1800.0  # ± 20 %: planned reconnects, so that the way back is walked all day
    lapse: float = 5.0  # standstill of ours until a stream is reopened: a kubelet that cannot write skips whole files
    polling: float = 300.0  # reading again and again in place of following, where the node cannot follow
    backoff_first: float = 0.2
    backoff_cap: float = 30.0
    asked_cap: float = 300.0  # the longest pause that a server may ask for
    alive_idle: int = 30  # silence on a socket until the kernel asks whether the other end is there …
    alive_every: int = 10  # … and asks again …
    alive_count: int = 3  # … so many times
    unacknowledged: float = 60.0  # what was sent, or asked, may be without an answer from the other kernel for so long

    @property
    def request(self) -> float:
        """The longest that one request can take, new credentials and a second try included."""
        return 4 * self.answer

    @property
    def step(self) -> float:
        """The longest that may pass between two signs of life, but for rests and for reading."""
        return 2 * self.request + self.lag + self.settle

    @classmethod
    def for_patience(cls, shortest: timedelta) -> Rhythm:
        """A rhythm that can answer within the shortest patience of a run (one second at least)."""
        whole = cls()
        patience = max(1.0, shortest.total_seconds())
        return cls(
            probe_idle=min(whole.probe_idle, patience / 4),
            stall=min(whole.stall, patience / 4),
            settle=min(whole.settle, patience / 10),
            poll=min(whole.poll, patience / 4),
            lag=min(whole.lag, max(1.0, patience / 4)),
            give_up=min(whole.give_up, max(2.0, patience / 4)),
            drain=min(whole.drain, patience / 4),
            backoff_cap=min(whole.backoff_cap, max(1.0, patience / 2)),
        )


class Backoff:
    """Growing, jittered pauses between attempts; progress begins anew. ``jitter`` gives numbers in [0, 1)."""

    def __init__(self, rhythm: Rhythm, jitter: Callable[[], float]) -> None:
        self._rhythm = rhythm
        self._jitter = jitter
        self._failures = 0

    def progress(self) -> None:
        """Something was achieved since the last pause."""
        self._failures = 0

    def pause(self, floor: float | None = None) -> float:
        """How many seconds to wait now: never less than ``floor``, which the server asked for, within reason."""
        longest = min(self._rhythm.backoff_cap, self._rhythm.backoff_first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return max(longest * (0.5 + self._jitter() / 2), min(floor or 0.0, self._rhythm.asked_cap))
