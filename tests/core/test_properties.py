"""Any order of lines, deaths, gaps, lost answers and crashes: the core never claims, repeats or hurries."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.core.scripts import ALLOCATION, ASSET, RECONCILIATION, USAGE, plan_of, staged
from tests.core.world import LOADING, World
from watcher.core.events import Move
from watcher.core.moves import RunStatus
from watcher.core.plan import StageRules
from watcher.core.state import Answer

RULES = (ASSET, ALLOCATION, USAGE, RECONCILIATION)


class Repair(RuleBasedStateMachine):
    """The core in the world of ``world.py``; hypothesis looks for the order of events that breaks a promise."""

    world: World

    @initialize(
        stages=st.lists(st.sampled_from(RULES), min_size=1, max_size=3, unique=True),
        last=st.integers(1, 3),
        chunk=st.sampled_from([None, None, 1, 2]),
        attempts=st.integers(1, 4),
        configured=st.booleans(),
        keys=st.sampled_from([("A",), ("A", "B")]),
    )
    def begin(
        self,
        stages: list[StageRules],
        last: int,
        chunk: int | None,
        attempts: int,
        configured: bool,
        keys: tuple[str, ...],
    ) -> None:
        providers = keys if configured else ()
        plans = [staged(rules, chunk=chunk, providers=providers if rules.per_provider else ()) for rules in stages]
        self.world = World(plan_of(*plans, last=last, attempts=attempts), keys)
        self.world.passes(LOADING.total_seconds())
        self.world.ready = True
        self.world.attach()
        self.world.tells_ready()

    @rule()
    def works(self) -> None:
        self.world.works()

    @rule(pieces=st.integers(2, 6))
    def works_on(self, pieces: int) -> None:
        for _ in range(pieces):
            self.world.works()

    @rule(count=st.integers(1, 5), swap=st.booleans(), again=st.booleans())
    def reads(self, count: int, swap: bool, again: bool) -> None:
        self.world.deliver(count, swap=swap, again=again)

    @rule()
    def attaches(self) -> None:
        self.world.attach()

    @rule(how=st.sampled_from(["accepted", "accepted", "time-out after arrival", "time-out", "not sent"]))
    def answers(self, how: str) -> None:
        self.world.answer(how)

    @rule()
    def arrives(self) -> None:
        self.world.arrive()

    @rule(seconds=st.sampled_from([1, 20, 100, 301, 700, 8000]))
    def passes(self, seconds: float) -> None:
        self.world.passes(seconds)

    @rule()
    def container_dies(self) -> None:
        self.world.live_again()

    @rule()
    def container_is_ready(self) -> None:
        if not self.world.ready:
            self.world.passes(LOADING.total_seconds())
            self.world.ready = True
        self.world.tells_ready()

    @rule()
    def notices(self) -> None:
        self.world.notice()

    @rule()
    def drains(self) -> None:
        self.world.drain()

    @rule()
    def loses_stream(self) -> None:
        self.world.lose_stream()

    @rule()
    def tears(self) -> None:
        self.world.tear()

    @rule(mode=st.sampled_from(["before the save", "before the commands", "after the commands", "lazy"]))
    def will_crash(self, mode: str) -> None:
        self.world.crash = mode

    @rule(arrives=st.booleans())
    def crashes(self, arrives: bool) -> None:
        self.world.boot(arrives=arrives)

    @rule(attends=st.booleans())
    def attends(self, attends: bool) -> None:
        self.world.attends = attends

    @rule()
    def will_wipe(self) -> None:
        self.world.wipes = True

    @rule(move=st.sampled_from([Move.RESUME, Move.APPROVE, Move.RETRY]))
    def person(self, move: Move) -> None:
        self.world.ask(move)

    @rule(seconds=st.sampled_from([0, 60, 4000]))
    def pauses(self, seconds: float) -> None:
        self.world.ask(Move.PAUSE)
        self.goes_well(2, 0)
        self.world.passes(seconds)
        self.world.ask(Move.RESUME)

    @rule(pieces=st.integers(1, 8), seconds=st.sampled_from([0, 0, 310]))
    def goes_well(self, pieces: int, seconds: float) -> None:
        """A while without trouble, else no example comes far."""
        self.world.answer("accepted")
        for _ in range(pieces):
            self.world.works()
            self.world.deliver(5)
        self.world.passes(seconds)

    @invariant()
    def at_most_one_request_is_open(self) -> None:
        if not hasattr(self, "world"):
            return
        awaited = [
            stage.name
            for stage in self.world.state.stages
            for held in (stage.open, stage.lost)
            if held is not None and held.answer is Answer.AWAITED
        ]
        assert len(awaited) <= 1

    def teardown(self) -> None:
        """When all goes well again, the run ends; where it holds, a person can bring it to its end."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.crash = None
        if world.state.paused is not None:
            world.ask(Move.RESUME)
        for _ in range(12):
            world.settle()
            if world.state.status is RunStatus.DONE:
                return
            assert world.state.status is RunStatus.HELD, world.state
            world.ask(Move.RETRY)
            if world.state.status is RunStatus.HELD:
                world.ask(Move.APPROVE)
        raise AssertionError(world.state)


TestRepair = Repair.TestCase
