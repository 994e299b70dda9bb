"""A hundred stories of three hundred lines over real sockets, with everything that goes wrong in them.

Each line is delivered once, under the life of the container that wrote it. Where nothing happens that no client could
make up for, none is lost; elsewhere every line that is lost lies in a gap that was told.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.edges.listening import QUICK, Heard, clock, listening
from watcher.cluster import KubernetesSource
from watcher.core.events import Epoch, Gap, GapFound
from watcher.core.lines import moment_of
from watcher.simulator.cluster import Cluster
from watcher.simulator.faults import Answer, Cut, CutKind, Faults
from watcher.simulator.kube_server import KubeServer
from watcher.simulator.objects import COST_MODEL, Death, Life
from watcher.sources import LinesRead

LINES = 300
STORIES = 100
MOST_FAULTS = 6
AT_ONCE = 30
RHYTHM = replace(QUICK, sock_read=0.25, probe_idle=0.15, poll=0.1, lifetime=0.5, lag=0.1)

IN_BAND = (
    "failed to create fsnotify watcher: too many open files",
    "rpc error: code = Unavailable desc = error reading from server: EOF",
    'failed to try resolving symlinks in path "/0.log": lstat /0.log: no such file or directory',
    "unable to retrieve container logs for containerd://0123456789abcdef",
)
ANSWERS = (
    Answer(500, '{"message": "dial tcp 10.0.0.1:10250: connect: connection refused"}'),
    Answer(500, '{"message": "No agent available"}'),
    Answer(502, "<html>Bad Gateway</html>", "text/html"),
    Answer(200, "<html>log in</html>", "text/html"),
    Answer(204, ""),
    Answer(429, "The apiserver is shutting down, please try again later.", "text/plain", (("Retry-After", "0"),)),
    Answer(401, '{"message": "the server has asked for the client to provide credentials ( pods/log p)"}'),
    Answer(401, '{"message": "Unauthorized"}'),
    Answer(403, '{"message": "pods is forbidden"}'),
    Answer(404, '{"message": "the server could not find the requested resource ( pods/log p)"}'),
    Answer(drop=True),
    Answer(504, "", hang=0.1),
)
GENTLE = ("rotate", "restart", "loop")
VIOLENT = (*GENTLE, "twice", "replace", "collect")
KINDS: tuple[CutKind, ...] = ("clean", "clean", "abort", "stall")


@dataclass
class Line:
    """A line that was written: where, when, and what."""

    epoch: Epoch
    pod: str
    stamp: int
    text: bytes


@dataclass
class Story:
    """One container's log, what goes wrong with it, and what was heard of it."""

    seed: int
    folder: Path
    written: list[Line] = field(default_factory=list)
    heard: list[tuple[Epoch | None, bytes]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    events: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.cluster = Cluster(rng=self.rng, clock=lambda: int(clock().timestamp() * 1e9))
        self.faults = Faults()
        self.gentle = self.seed % 3 > 0
        self.tick = self.rng.choice((1, 1, 15_000_000, 1_000_000_000))
        self.disorder = self.rng.choice((0, 0, 30_000_000))
        self.live: Heard | None = None
        self.numbers = iter(range(10**6))
        self.begin()

    # ---- what happens

    def begin(self) -> None:
        self.pod = self.cluster.add_pod()
        self.cluster.start(self.pod, self.pod.containers)
        self.cluster.set_ready(self.pod)

    @property
    def life(self) -> Life:
        life = self.pod.cost_model.life
        assert life is not None
        return life

    def write(self, text: bytes | None = None, *, newline: bool = True) -> None:
        stamp = self.cluster.clock() - self.rng.randrange(self.disorder + 1)
        stamp -= stamp % self.tick
        long = b"x" * self.rng.choice((0, 0, 0, 0, 0, 20_000)) if newline else b""
        text = text or b"line %d %s" % (next(self.numbers), long)
        self.life.log.write(text, stamp=stamp, newline=newline)
        self.written.append(Line(Epoch(self.pod.uid, self.life.container_id), self.pod.name, stamp, text))

    def die(self) -> None:
        if self.rng.random() < 0.3:
            self.write(b"fatal error %d" % next(self.numbers), newline=False)
        self.cluster.die(self.pod, Death("OOMKilled", 137))

    def happen(self) -> None:
        """Something happens to the container or its log."""
        if self.gentle and not self.is_known():
            return  # the log of the life before may not have been read yet, and there is only one ``previous``
        deed = self.rng.choice(GENTLE if self.gentle else VIOLENT)
        self.events.append(f"{len(self.written)} {deed}")
        match deed:
            case "rotate":
                if self.is_heard() if self.gentle else self.is_known():  # and not the first lines of a life
                    self.life.log.rotate(followers_stuck=self.rng.random() < 0.5)
                return
            case "replace":
                self.cluster.delete_pod(self.pod)
                self.begin()
                return
            case "twice":
                self.die()
                self.cluster.start(self.pod)
                self.write()
                self.die()
            case "loop":
                self.die()
                self.cluster.back_off(self.pod)
                return
            case "collect":
                self.die()
                self.life.collected = True
            case _:
                self.die()
        self.cluster.start(self.pod)
        self.cluster.set_ready(self.pod)

    def is_followed(self) -> bool:
        """Whether anything was heard at all: what was before that is nobody's business."""
        return bool(self.heard) or (self.live is not None and bool(self.live.lines))

    def is_known(self) -> bool:
        """Whether anything of this life was heard."""
        epoch = Epoch(self.pod.uid, self.life.container_id)
        live = [event.epoch for event in self.live.of(LinesRead) if event.lines] if self.live is not None else []
        return epoch in live or any(one == epoch for one, _ in self.heard)

    def is_heard(self) -> bool:
        """Whether all that was written was heard."""
        return len(self.written) == len(self.heard) + (len(self.live.lines) if self.live is not None else 0)

    def go_wrong(self) -> None:
        """The next requests will meet something; not for so long that it would be an outage."""
        rng = self.rng
        if len(self.faults.log_answers) + len(self.faults.log_cuts) > MOST_FAULTS:
            return
        for _ in range(rng.choice((0, 0, 1, 1, 2))):
            after = rng.randrange(3000)
            match rng.randrange(4):
                case 0:
                    self.faults.log_answers.append(rng.choice(ANSWERS))
                case 1:
                    self.faults.log_cuts.append(Cut(after, "clean", rng.choice(IN_BAND)))
                case _:
                    self.faults.log_cuts.append(Cut(after, rng.choice(KINDS)))
            self.faults.log_cuts.append(None)

    async def be_written(self) -> None:
        while len(self.written) < LINES:
            if self.pod.cost_model.running:
                for _ in range(self.rng.randrange(1, 12)):
                    self.write()
                if self.is_followed() and self.rng.random() < 0.08:
                    self.happen()
            else:
                self.cluster.start(self.pod)
                self.cluster.set_ready(self.pod)
            self.go_wrong()
            await asyncio.sleep(self.rng.choice((0.0, 0.01, 0.05)))
        if not self.pod.cost_model.running:
            self.cluster.start(self.pod)
        self.write(b"the end")

    # ---- what is heard

    async def be_heard(self) -> None:
        """Follow it, in some stories with ends of ours in the middle, after any event."""
        async with KubeServer(self.cluster, faults=self.faults) as server:
            kubeconfig = self.folder / f"kubeconfig-{self.seed}"
            server.write_kubeconfig(kubeconfig)
            cursor: str | None = None
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.be_written())
                while not any(text == b"the end" for _, text in self.heard):
                    cursor = await self.listen(kubeconfig, cursor)

    async def listen(self, kubeconfig: Path, cursor: str | None) -> str | None:
        source = KubernetesSource(
            namespace=self.cluster.namespace,
            deployment=self.cluster.deployment,
            container=COST_MODEL,
            kubeconfig=kubeconfig,
            rhythm=replace(RHYTHM, give_up=30.0 if self.gentle else 0.3),
            clock=clock,
            jitter=self.rng.random,
        )
        last = self.rng.randrange(20, 400) if self.seed % 2 else 10**6
        async with listening(source, cursor) as heard:
            self.live = heard
            await heard.until(lambda: len(heard.events) > last or heard.lines[-1:] == [b"the end"], 100)
        self.take(heard)
        return heard.cursor or cursor

    def take(self, heard: Heard) -> None:
        for event in heard.events:
            match event:
                case LinesRead(epoch, lines, _):
                    self.heard += [(epoch, line.text) for line in lines]
                case GapFound(gap):
                    self.gaps.append(gap)
                case _:
                    pass

    # ---- the judgement

    def check(self) -> tuple[int, int]:
        """How many lines were lost, all of them in gaps; how many gaps there are."""
        told = f"seed {self.seed}: {self.events}"
        heard, written = Counter(self.heard), {(line.epoch, line.text): line for line in self.written}
        assert max(heard.values()) == 1, (told, [one for one, count in heard.items() if count > 1])
        assert set(heard) <= set(written), (told, set(heard) - set(written))
        lost = [line for one, line in written.items() if one not in heard]
        untold = [line for line in lost if not any(self.covers(gap, line) for gap in self.gaps)]
        assert not untold, (told, [(line.text[:20], moment_of(line.stamp)) for line in untold], self.gaps)
        for epoch in {line.epoch for line in self.written}:
            texts = [text for one, text in self.heard if one == epoch]
            order = [line.text for line in self.written if line.epoch == epoch]
            assert texts == [text for text in order if (epoch, text) in heard], told
        return len(lost), len(self.gaps)

    def covers(self, gap: Gap, line: Line) -> bool:
        """A stamp may lie a little before the moment in which its line was written."""
        at, slack = clock_of(line), self.disorder / 1e9 + self.tick / 1e9 + 1e-5
        begin = gap.start.timestamp() if gap.start is not None else 0.0
        return gap.container == COST_MODEL and begin - slack <= at <= (gap.end.timestamp() if gap.end else at) + slack


def clock_of(line: Line) -> float:
    return line.stamp / 1e9


@pytest.mark.timeout(180)
async def test_a_hundred_stories_lose_nothing_untold_and_repeat_nothing(tmp_path: Path) -> None:
    """Cuts after any byte, ends of every kind, rotations, restarts, replacements, and ends of our own."""
    gate = asyncio.Semaphore(AT_ONCE)
    stories = [Story(seed, tmp_path) for seed in range(STORIES)]

    async def play(story: Story) -> None:
        async with gate:
            await story.be_heard()

    async with asyncio.TaskGroup() as tasks:
        for story in stories:
            tasks.create_task(play(story))
    counts = [story.check() for story in stories]
    assert [(s.seed, n, s.events, s.gaps) for s, (n, _) in zip(stories, counts, strict=True) if s.gentle and n] == []
    assert any(lost for lost, _ in counts)
