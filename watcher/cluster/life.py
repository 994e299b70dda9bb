"""One life of the followed container, and the place in its log."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime

from watcher.cluster.pods import Pod
from watcher.core.events import Epoch
from watcher.core.resume import MARGIN, Key, Place, Trail


@dataclass(slots=True)
class Emptied:
    """Looks find nothing where ``last`` had been delivered; ``seen``: when the last did (seconds of the loop)."""

    last: Key
    seen: float
    told: bool = False


@dataclass(slots=True)
class Life:
    """What is known of the life that is read. ``pod`` is None until it was seen by this process."""

    pod_name: str
    pod_uid: str
    container_id: str
    trail: Trail = field(default_factory=Trail)
    pod: Pod | None = None
    confirmed: float = 0.0  # when the API last said that its log is the one served (seconds of the loop)
    first: bool = False  # of the run: nothing was asked of it before, so its beginning may be gone
    noted: bool = False  # a cursor in this life was handed out
    ready: bool = False  # was told to be ready
    done: bool = False  # it has ended, and its log was read to the end or given up with a gap
    refused_since: float | None = None  # since when the kubelet has an error in place of its log, after it ended
    margin: int = MARGIN  # the overlap to read on with, in ns; less where streams end before they are past it
    rewind: int | None = None  # the stamp to read on from, where the node's clock stepped back too far
    emptied: Emptied | None = None
    last_seen: tuple[int, bytes] | None = None  # stamp and text of the last line that came, new or not
    epoch: Epoch = field(init=False)  # its name in the words of the core

    def __post_init__(self) -> None:
        self.epoch = Epoch(self.pod_uid, self.container_id)

    @classmethod
    def of(cls, pod: Pod, now: float, before: Trail | None = None) -> Life:
        """The life that the pod serves now."""
        return cls(pod.name, pod.uid, pod.container_id or "", before or Trail(), pod, now)

    @property
    def is_leaving(self) -> bool:
        """Whether its pod is going away, with what was not read of its log yet."""
        return not self.done and self.pod is not None and not self.pod.lasts

    def lacks_beginning(self, first: datetime, slack: float) -> bool:
        """Whether the first line that came of it is too late to be the first that it logged; ``slack``: seconds."""
        started = self.pod.started if self.pod is not None else None
        unread = self.trail.here.last is None and not self.first
        return unread and started is not None and (first - started).total_seconds() > slack

    def is_served_by(self, pod: Pod) -> bool:
        """Whether the log that the API serves for this pod is this life's."""
        return (pod.uid, pod.container_id) == (self.pod_uid, self.container_id)

    def cursor(self, place: Place) -> Cursor:
        """The cursor at a place of its log."""
        return Cursor(self.pod_name, self.pod_uid, self.container_id, place)


@dataclass(slots=True)  # not frozen: one is made for whatever comes
class Cursor:
    """A place in the log of one life of the container."""

    pod: str
    uid: str
    container: str
    place: Place

    def dump(self) -> str:
        """As text; ``restore`` reads it."""
        named = {"source": "kubernetes", "pod": self.pod, "uid": self.uid, "container": self.container}
        return json.dumps(named | {"place": self.place.dump()})


def restore(text: str, now: float) -> Life:
    """The life whose log a dumped cursor lies in. ValueError where ``text`` is no cursor of this source."""
    known = json.loads(text)
    if not isinstance(known, dict) or known.get("source") != "kubernetes":
        raise ValueError("it is not of a Kubernetes log")
    try:
        pod, uid, container = (str(known[name]) for name in ("pod", "uid", "container"))
        trail = Trail.load(str(known["place"]), now)
    except KeyError as error:
        raise ValueError(f"it lacks {error}") from error
    return Life(pod, uid, container, trail, noted=True)
