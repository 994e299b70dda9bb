"""What every container truly logged, and what the daemon made its own of it: each line once, or told as a gap.

A line is *taken* when the source hands it over, *kept* when a save covers it. What was taken and not kept when the
daemon died comes again, and must.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from watcher.core.events import Gap
from watcher.core.lines import moment_of
from watcher.core.resume import key_of
from watcher.simulator.cluster import Cluster
from watcher.simulator.objects import COST_MODEL, Life, Pod
from watcher.simulator.records import Clock, ContainerLog, Record
from watcher.sources import RawLine

Key = tuple[datetime, bytes]


@dataclass(slots=True)
class Written:
    """One line as it was logged. ``at``: the true time, in seconds; ``stamp``: the runtime's."""

    at: float
    stamp: datetime
    text: bytes
    whole: bool = True  # False: nobody can be asked to have it
    taken: bool = False


@dataclass(slots=True)
class Page:
    """All lines of one life of the container, and those that are still to come, by what they look like."""

    pod: str
    lines: list[Written] = field(default_factory=list)
    ahead: dict[Key, deque[Written]] = field(default_factory=dict)
    due: int = 0  # every line before this one was taken or excused
    followed: bool = False
    over: bool = False

    def find(self, line: RawLine) -> Iterator[Written]:
        """The lines that look like this one and were not taken."""
        waiting = self.ahead.get((line.at, line.text), ()) if line.at is not None else ()
        return (one for one in waiting if not one.taken)


@dataclass(frozen=True, slots=True)
class Missed:
    """A gap as it was told: of this life's log (None: of any), from this line on, up to the stamp of its end."""

    page: Page | None
    after: int
    end: datetime | None


class WitnessedLog(ContainerLog):
    """A log that notes the true time of every line. ``stamped`` gives the runtime's stamp of the next line."""

    def __init__(self, clock: Clock, seconds: Callable[[], float]) -> None:
        super().__init__(clock)
        self._seconds = seconds
        self._begun: list[Record] = []
        self.page = Page("")

    def _append(self, record: Record) -> None:
        super()._append(record)
        self._begun.append(record)
        if record.full:
            self.end_line(whole=True)

    def end_line(self, *, whole: bool) -> None:
        """What was begun is a line now: its newline came, or will never come."""
        if self._begun:
            text = b"".join(record.text for record in self._begun)
            line = Written(self._seconds(), moment_of(self._begun[0].stamp), text, whole)
            self.page.lines.append(line)
            self.page.ahead.setdefault((line.stamp, text), deque()).append(line)
            self._begun.clear()

    def close(self) -> None:
        """The container is dead; half a line stays half a line."""
        self.end_line(whole=False)
        self.page.over = True
        super().close()


class LineBook:
    """Compares what was logged with what was taken. ``pages`` by container id.

    ``slack``: how far the end of a gap may lie beside the stamps that it means, because the node's clock steps.
    """

    def __init__(self, slack: timedelta) -> None:
        self.pages: dict[str, Page] = {}
        self._slack = slack
        self._gaps: list[Missed] = []
        self._loose: deque[list[Written]] = deque()  # batches that were taken, and are not kept
        self._read = 0  # how many of these the daemon has made its own
        self._loose_gaps: list[Missed] = []
        self._kept_lives: set[str] = set()
        self._is_followed = False
        self._spoken_of = ""  # the life that the source speaks of now
        self._kept_life = ""
        self._ends: set[tuple[datetime, bytes]] = set()  # where the batches end that the daemon has read

    def open_page(self, pod: Pod, life: Life) -> None:
        """The container that is followed began a life."""
        if isinstance(life.log, WitnessedLog):
            life.log.page.pod = pod.name
            self.pages[life.container_id] = life.log.page

    def rotate(self, life: Life) -> None:
        """What the life logged cannot be had any more; where no line of it was read yet, nobody can know of them."""
        page = self.pages.get(life.container_id)
        if page is not None and not any(line.taken for line in page.lines):
            for line in page.lines:
                line.whole = False

    def speak_of(self, container_id: str) -> None:
        """The source says that this life goes on from here: whatever it logs is to be taken, or told as a gap."""
        self._spoken_of = container_id
        if self._is_followed and container_id in self.pages:
            self.pages[container_id].followed = True

    def follow(self, container_id: str) -> None:
        """A stream of this life is open: from here on every line is to be taken."""
        self._spoken_of = container_id
        if container_id in self.pages:
            self.pages[container_id].followed = True
        if self._is_followed:
            return
        self._is_followed = True
        for name, page in self.pages.items():
            if name == container_id:
                return
            for line in page.lines:
                line.whole = False

    def has_lasted(self, life: Life, seconds: float, now: float) -> bool:
        """Whether the oldest line that can be had of this life is so old."""
        records = life.log.open().take(1)
        page = self.pages.get(life.container_id)
        first = (
            next((line for line in page.lines if line.stamp == moment_of(records[0].stamp)), None)
            if page and records
            else None
        )
        return first is not None and first.at + seconds <= now

    def miss(self, gap: Gap) -> None:
        """The daemon tells a gap: what comes after the last line of the life that it speaks of, up to the gap's end."""
        page = self.pages.get(self._spoken_of)
        behind = page.lines if page is not None else []
        after = next((number for number in range(len(behind), 0, -1) if behind[number - 1].taken), 0)
        self._loose_gaps.append(Missed(page, after, gap.end))

    def take(self, container_id: str, lines: Iterable[RawLine]) -> tuple[str | None, bool]:
        """The source hands a batch over: what is wrong with that, and whether all of it was this life's.

        While the API lags behind the kubelet, lines of the next life can be taken for this one's.
        """
        page = self.pages.get(container_id, Page(""))
        others = [one for one in self.pages.values() if one.pod == page.pod and one is not page]
        batch: list[Written] = []
        self._loose.append(batch)
        own = True
        for line in lines:
            found = next((one for one in page.find(line)), None)
            if found is None:
                own = False
                found = next((one for other in others for one in other.find(line)), None)
            if found is None:
                return f"{line.at} {line.text[:80]!r} of {container_id[-8:]}: taken twice, or never logged", own
            found.taken = True
            batch.append(found)
        return None, own

    def read(self) -> None:
        """The daemon takes the next batch out of its queue."""
        if batch := self._loose[self._read]:
            self._ends.add(_place_of(batch[-1]))
        self._read += 1

    def has_read(self, place: tuple[int, bytes]) -> bool:
        """Whether the daemon has read the line that a cursor names (stamp in ns, digest)."""
        return (moment_of(place[0]), place[1]) in self._ends

    def keep(self, life: str | None) -> None:
        """A save covers everything that was read; ``life``: the container its cursor names."""
        for _ in range(self._read):
            self._loose.popleft()
        self._read = 0
        self._gaps += self._loose_gaps
        self._loose_gaps.clear()
        if life is not None:
            self._kept_lives.add(life)
            self._kept_life = life

    def forget(self) -> None:
        """The daemon died: what was not kept was not taken."""
        for line in (line for batch in self._loose for line in batch):
            line.taken = False
        self._ends -= {_place_of(batch[-1]) for batch in self._loose if batch}
        self._spoken_of = self._kept_life
        self._loose.clear()
        self._loose_gaps.clear()
        self._read = 0
        self._is_followed = bool(self._kept_lives)
        for container_id, page in self.pages.items():
            page.followed = container_id in self._kept_lives
        for page in self.pages.values():
            page.due = 0

    def missing(self, until: float) -> str | None:
        """A line logged until then (true time) that was neither taken nor is in a gap; None when there is none."""
        for page in self.pages.values():
            while page.due < len(page.lines):
                line = page.lines[page.due]
                if line.at > until:
                    break
                if not line.taken and line.whole and not self._excused(page, page.due):
                    return f"{line.stamp} {line.text[:80]!r} of pod {page.pod}, logged at {line.at:.1f} s"
                page.due += 1
        return None

    def _after(self, page: Page) -> Iterable[Page]:
        """The lives that began after this one."""
        pages = list(self.pages.values())
        return pages[next(index for index, one in enumerate(pages) if one is page) + 1 :]

    def _excused(self, page: Page, number: int) -> bool:
        if not page.followed and (page.over or any(one.followed for one in self._after(page))):
            return True  # it came and went between two looks of the daemon
        stamp = page.lines[number].stamp
        return any(
            (gap.page is None or (gap.page is page and gap.after <= number))
            and (gap.end is None or stamp <= gap.end + self._slack)
            for gap in (*self._gaps, *self._loose_gaps)
        )


def _place_of(line: Written) -> tuple[datetime, bytes]:
    """As a cursor names it."""
    return line.stamp, key_of(0, line.text)[1]


class WitnessedCluster(Cluster):
    """A cluster whose Deployment's lines are written into a book."""

    def __init__(self, book: LineBook, seconds: Callable[[], float], **more: Any) -> None:  # noqa: ANN401  passed on
        super().__init__(**more)
        self._book = book
        self._seconds = seconds

    def new_log(self) -> ContainerLog:
        """An empty log, for a life that begins."""
        return WitnessedLog(self.clock, self._seconds)

    def start(self, pod: Pod, names: Iterable[str] = (COST_MODEL,)) -> Life:
        """A new life for these containers."""
        life = super().start(pod, names)
        if pod in self.own_pods() and pod.cost_model.life is not None:
            self._book.open_page(pod, pod.cost_model.life)
        return life
