"""What shall go wrong on the way: asked for explicitly, one by one, none by default."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Literal

CutKind = Literal["clean", "abort", "stall"]


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer given instead of the real one.

    ``body`` None with a code of 400 or more becomes a Kubernetes ``Status`` for log requests. ``hang`` waits that many
    seconds before the answer. ``carried_out``: the request is obeyed although it is answered like this. ``drop``: no
    answer at all, the connection is reset.
    """

    status: int = 500
    body: str | None = None
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    hang: float = 0.0
    carried_out: bool = False
    drop: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """How one stream of a log ends early: after this many bytes of its body.

    ``clean``: the body ends as if all were well. ``abort``: the connection is reset. ``stall``: the connection stays
    open and nothing comes any more. ``text``: put into the body first, as a kubelet does with its errors: without stamp
    and newline.
    """

    after: int
    kind: CutKind = "clean"
    text: str = ""


@dataclass(slots=True)
class Faults:
    """The faults to come. Each is used up by the next request of its sort, in order."""

    log_answers: deque[Answer] = field(default_factory=deque)
    log_cuts: deque[Cut | None] = field(default_factory=deque)  # None: this stream is left alone
    repair_answers: deque[Answer] = field(default_factory=deque)

    def next_log_answer(self) -> Answer | None:
        """The answer for this log request, if it shall be a wrong one."""
        return self.log_answers.popleft() if self.log_answers else None

    def next_log_cut(self) -> Cut | None:
        """How this stream shall end, if it shall end early."""
        return self.log_cuts.popleft() if self.log_cuts else None

    def next_repair_answer(self) -> Answer | None:
        """The answer for this repair request, if it shall be a wrong one."""
        return self.repair_answers.popleft() if self.repair_answers else None
