"""The shell in virtual time: it saves, then acts; it wakes at deadlines; it ends as it should. Hours take no time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import pytest

from watcher.core.commands import Notify, Record, Request
from watcher.core.events import (
    Attached,
    CaughtUp,
    Epoch,
    Event,
    Fact,
    LogRead,
    Meaning,
    NotificationFailed,
    NotificationSent,
    RequestAccepted,
    RequestRefused,
    TargetReady,
)
from watcher.core.moves import DayStatus, RunStatus
from watcher.core.plan import Destination, Evidence, Patience, Plan, StagePlan, StageRules
from watcher.core.state import State
from watcher.core.window import Window
from watcher.daemon import Daemon, Edges
from watcher.sources import Emit, LinesRead, RawLine
from watcher.store import SaveError

pytestmark = pytest.mark.looptime(start=0)

EPOCH = Epoch("uid", "cid")
WINDOW = Window.of_days(date(2023, 1, 1), date(2023, 1, 2))
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
PATIENCE = Patience(timedelta(minutes=10), timedelta(hours=2), timedelta(minutes=5))
PLAN = Plan(
    "run",
    "profile",
    WINDOW,
    (
        StagePlan(StageRules("asset", prints_start=True, least=Evidence.WINDOW_DONE), PATIENCE),
        StagePlan(StageRules("cloud", prints_start=False, least=Evidence.QUIET, per_provider=True), PATIENCE),
    ),
    destinations=(Destination("slack", frozenset({"run_done", "held"})),),
)


@dataclass(frozen=True, slots=True)
class At:
    """A cursor that is only a number of lines."""

    line: int

    def dump(self) -> str:
        return str(self.line)


def clock() -> datetime:
    return BEGIN + timedelta(seconds=asyncio.get_running_loop().time())


@dataclass
class World:
    """Fakes of everything outside: a Kubecost that answers requests with facts, a disk, people.

    ``trail`` is the order in which things were done.
    """

    answers: dict[str, Callable[[Request], Event]] = field(default_factory=dict)
    facts: dict[str, list[tuple[float, Fact]]] = field(default_factory=dict)
    trail: list[str] = field(default_factory=list)
    saved: list[tuple[State, str | None]] = field(default_factory=list)
    told: list[Notify] = field(default_factory=list)
    failing_saves: int = 0
    messages_fail: int = 0
    deaf: bool = False
    emit: Emit | None = None
    begun_at: str | None = "never"

    async def follow(self, emit: Emit, cursor: str | None) -> None:
        self.emit, self.begun_at = emit, cursor
        await emit(Attached(EPOCH, "pod"))
        await emit(TargetReady(EPOCH))
        await emit(CaughtUp(clock()))
        await asyncio.Event().wait()

    async def confirm(self) -> None:
        if not self.deaf and self.emit is not None:
            await self.emit(CaughtUp(clock()))

    def read_lines(self, read: LinesRead) -> LogRead:
        facts = [fact for pairs in self.facts.values() for _, fact in pairs]
        chosen = tuple(facts[int(line.text)] for line in read.lines)
        return LogRead(read.epoch, chosen, len(read.lines), len(chosen), 0, len(read.lines), clock())

    async def save(self, state: State, cursor: str | None, records: tuple[Record, ...]) -> None:
        if self.failing_saves:
            self.failing_saves -= 1
            message = "disk full"
            raise SaveError(message)
        self.saved.append((state, cursor))
        self.trail.append(f"save {sum(stage.requests for stage in state.stages)}")

    async def send(self, request: Request) -> Event:
        self.trail.append(f"send {request.stage}")
        facts = [fact for pairs in self.facts.values() for _, fact in pairs]
        for delay, fact in self.facts.get(request.stage, []):
            asyncio.get_running_loop().call_later(delay, self._speak, facts.index(fact))
        answer = self.answers.get(request.stage)
        return answer(request) if answer else RequestAccepted(request.request, "ok")

    def _speak(self, number: int) -> None:
        assert self.emit is not None
        read = LinesRead(EPOCH, (RawLine(str(number).encode()),), At(number + 1))
        asyncio.ensure_future(self.emit(read))  # noqa: RUF006  lives as long as the test

    async def tell(self, notify: Notify) -> Event:
        self.told.append(notify)
        if self.messages_fail:
            self.messages_fail -= 1
            return NotificationFailed(notify.message, notify.destination, "503")
        return NotificationSent(notify.message, notify.destination)

    def daemon(self, state: State | None = None, cursor: str | None = None, *, once: bool = True) -> Daemon:
        edges = Edges(self, self, self.save, self.send, self.tell, clock)
        return Daemon(state or State.begin(PLAN), cursor, PLAN, edges, once=once)


def fact(stage: str, meaning: Meaning, window: Window = WINDOW, **fields: object) -> Fact:
    return Fact(meaning, "p", f"{stage} {meaning} {window}", stage, window=window, resolution="1d", **fields)  # type: ignore[arg-type]


def day(number: int) -> Window:
    return Window.of_days(date(2023, 1, number), date(2023, 1, number))


def good_facts() -> dict[str, list[tuple[float, Fact]]]:
    return {
        "asset": [
            (1, fact("asset", Meaning.REPAIR_STARTED, id="a")),
            (600, fact("asset", Meaning.WINDOW_DONE, day(1), rows_in=5, rows_out=2)),
            (4000, fact("asset", Meaning.WINDOW_DONE, day(2), rows_in=5, rows_out=2)),
        ],
        "cloud": [(30, fact("cloud", Meaning.ACTIVITY, provider="K"))],
    }


async def test_a_whole_run_of_hours_ends_done_and_tells_so() -> None:
    """Requests in order, each after the evidence before it; quiet ends the cloud stage after its patience exactly."""
    world = World(facts=good_facts())
    code = await world.daemon().run()
    assert code == 0
    assert [step for step in world.trail if step.startswith("send")] == ["send asset", "send cloud"]
    assert [message.title for message in world.told] == ["repair done"]
    assert asyncio.get_running_loop().time() == pytest.approx(4000 + 30 + 300, abs=2)


async def test_the_state_that_says_requested_is_saved_before_the_request_leaves() -> None:
    """Save, then act: before the n-th request leaves, a state with n requests is on the disk."""
    world = World(facts=good_facts())
    await world.daemon().run()
    for number, name in enumerate(("asset", "cloud"), start=1):
        before = world.trail[: world.trail.index(f"send {name}")]
        assert before[-1] == f"save {number}"


async def test_a_failing_save_sends_nothing_and_is_tried_again() -> None:
    """While the disk is full nothing leaves; when it is not any more, the run goes on."""
    world = World(facts=good_facts(), failing_saves=4)
    assert await world.daemon().run() == 0
    assert world.trail[0].startswith("save")


async def test_a_disk_that_stays_full_ends_the_daemon_without_a_request() -> None:
    """Nothing was sent, and the exit code says: temporary."""
    world = World(facts=good_facts(), failing_saves=10_000)
    with pytest.raises(SaveError, match="disk full"):
        await world.daemon().run()
    assert not [step for step in world.trail if step.startswith("send")]


async def test_silence_is_unclear_and_ends_once_with_3() -> None:
    """A request that is accepted and never followed by a line: a hold after the patience of the start, told once."""
    world = World(facts={"asset": []})
    daemon = world.daemon()
    assert await daemon.run() == 3
    assert daemon.state.status is RunStatus.HELD
    assert asyncio.get_running_loop().time() == pytest.approx(600, abs=12)
    assert len(world.told) == 1
    assert "unclear" in world.told[0].title


async def test_silence_that_was_not_heard_proves_nothing() -> None:
    """When the source cannot confirm, neither quiet nor unclear is concluded, however long it takes; it is told."""
    world = World(facts=good_facts())
    daemon = world.daemon(once=False)
    asyncio.get_running_loop().call_later(4020, setattr, world, "deaf", True)
    asyncio.get_running_loop().call_later(40_000, daemon.stop)
    await daemon.run()
    assert daemon.state.stage("cloud").status == "running"
    assert {day.status for day in daemon.state.stage("cloud").days.values()} == {DayStatus.RUNNING}
    assert daemon.state.hold is not None
    assert "cannot be found out" in daemon.state.hold.reason


async def test_stopped_in_mid_stage_it_goes_on_where_it_stood() -> None:
    """A second daemon takes the saved state and cursor, sends nothing again, and finishes."""
    first = World(facts=good_facts())
    daemon = first.daemon(once=False)
    asyncio.get_running_loop().call_later(1000, daemon.stop)
    await daemon.run()
    state, cursor = first.saved[-1]
    assert cursor == "2"

    second = World(facts=good_facts())

    def speak_on() -> None:
        second._speak(2)

    asyncio.get_running_loop().call_later(3000, speak_on)
    code = await second.daemon(state, cursor).run()
    assert code == 0
    assert second.begun_at == "2"
    assert [step for step in second.trail if step.startswith("send")] == ["send cloud"]


async def test_once_on_a_finished_run_does_nothing_at_all() -> None:
    """A finished run is never begun again."""
    world = World(facts=good_facts())
    daemon = world.daemon()
    await daemon.run()
    again = World()
    assert await again.daemon(daemon.state).run() == 0
    assert again.trail == []
    assert again.begun_at == "never"


async def test_a_refused_request_fails_the_run() -> None:
    """Exit 1, and the next stage is not asked for."""
    world = World(facts={"asset": []}, answers={"asset": lambda r: RequestRefused(r.request, "HTTP 302 to sso")})
    daemon = world.daemon()
    assert await daemon.run() == 1
    assert daemon.state.stage("asset").days[date(2023, 1, 1)].status == "refused"
    assert [step for step in world.trail if step.startswith("send")] == ["send asset"]


async def test_a_message_that_fails_is_tried_again_and_holds_up_nothing() -> None:
    """The run ends although nobody can be told; the message stays in the outbox for the next start."""
    world = World(facts=good_facts(), messages_fail=100)
    daemon = world.daemon()
    assert await daemon.run() == 0
    assert [message.title for message in daemon.state.outbox.messages] == ["repair done"]
    assert world.saved[-1][0].outbox.messages


async def test_a_dry_run_sends_nothing_and_says_what_it_would_have_sent() -> None:
    """The run holds with the URL in its reason."""
    world = World(facts=good_facts())
    edges = Edges(
        world, world, world.save, world.send, world.tell, clock, lambda request: f"dry run: GET {request.stage}"
    )
    daemon = Daemon(State.begin(PLAN), None, PLAN, edges, once=True)
    assert await daemon.run() == 3
    assert daemon.state.reason == "dry run: GET asset"
    assert not [step for step in world.trail if step.startswith("send")]


async def test_nothing_happens_while_nothing_happens() -> None:
    """A day of waiting costs a turn every ten seconds and no save."""
    world = World(facts={"asset": [(1, fact("asset", Meaning.REPAIR_STARTED, id="a"))]}, deaf=True)
    daemon = world.daemon(once=False)
    loop = asyncio.get_running_loop()
    saves: dict[float, int] = {}
    loop.call_later(100, lambda: saves.update({0: len(world.saved)}))
    loop.call_later(7000, lambda: saves.update({1: len(world.saved)}))
    loop.call_later(7001, daemon.stop)
    await daemon.run()
    assert saves[1] == saves[0]
