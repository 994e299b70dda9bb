"""A small Kubecost in a lossy world, for the properties: what truly happened, against what the core believes.

The model keeps the truth (``finished``) that the core can only infer from lines. Containers die and lose their work,
the news of it comes late, lines are late, swapped, repeated or lost in a gap, requests get lost, their answers too, and
the daemon is killed between any two of its own steps and goes on from what was saved.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from tests.core.scripts import BUSY, T0, active, begun, check_state, day, ended, written
from watcher.core.commands import Command, Confirm, Record, Request
from watcher.core.events import (
    Attached,
    Booted,
    CaughtUp,
    DeadlineReached,
    Epoch,
    EpochChanged,
    Event,
    Fact,
    Gap,
    GapFound,
    LogRead,
    Meaning,
    Move,
    OperatorAsked,
    RequestAccepted,
    RequestNotSent,
    RequestUnclear,
    StreamLost,
    TargetReady,
)
from watcher.core.moves import DayStatus, RunStatus, StageStatus
from watcher.core.operator import objection
from watcher.core.orchestrator import step
from watcher.core.plan import Evidence, Plan
from watcher.core.silence import next_deadline
from watcher.core.state import State
from watcher.core.window import Window

LOADING = timedelta(seconds=20)  # a container reads its stores for so long before it is ready


@dataclass
class Sent:
    """One request that left the daemon. ``arrived`` in that life of the container; None: never."""

    request: Request
    believed: Epoch | None
    arrived: Epoch | None = None


@dataclass
class World:
    """Everything outside the core. ``keys``: the providers that its Kubecost has."""

    plan: Plan
    keys: tuple[str, ...]
    now: datetime = T0
    logs: dict[Epoch, list[Fact]] = field(default_factory=dict)
    lives: int = 0
    ready: bool = False
    work: list[Callable[[], Fact | None]] = field(default_factory=list)
    finished: set[tuple[str, date, str]] = field(default_factory=set)
    follows: Epoch = field(init=False)
    read: dict[Epoch, int] = field(default_factory=dict)
    connected: bool = False
    wire: Sent | None = None
    sent: list[Sent] = field(default_factory=list)
    freed: set[str] = field(default_factory=set)  # stages that a person touched since their last request
    torn: set[Epoch] = field(default_factory=set)  # lives whose log has a gap
    crash: str | None = None
    attends: bool = True
    wipes: bool = False

    def __post_init__(self) -> None:
        self.state = State.begin(self.plan)
        self.follows = self.live_again()
        self.saved = (self.state, dict(self.read), self.follows)
        self.tell(Booted())

    # ---- the daemon

    def tell(self, event: Event) -> None:
        """One step of the daemon, which may be killed before, between or after the save and the commands."""
        crash, self.crash = self.crash, None
        before = self.state
        after, commands = step(before, event, self.now, self.plan)
        self.judge(before, after, event, commands)
        if crash == "before the save":
            self.boot()
            return
        self.state = after
        if crash != "lazy" or commands or not isinstance(event, LogRead):
            self.saved = (after, dict(self.read), self.follows)
        if crash == "before the commands":
            self.boot()
            return
        confirms = False
        for command in commands:
            if isinstance(command, Request):
                self.send(command)
            confirms = confirms or isinstance(command, Confirm)
        if crash == "after the commands":
            self.boot()
        elif confirms and self.attends and self.connected:
            self.catch_up()

    def boot(self, *, arrives: bool = True) -> None:
        """The daemon is killed and begins anew: from the saved state, from the saved place in the log."""
        if self.wire is not None and arrives:
            self.arrive()
        self.wire = None
        self.connected = False
        self.state, self.read, self.follows = self.saved[0], dict(self.saved[1]), self.saved[2]
        self.tell(Booted())

    def send(self, request: Request) -> None:
        """The request leaves. It must be the only one, in order, and no repetition without a reason."""
        assert self.wire is None, f"{request} while {self.wire} is on its way"
        names = [stage.name for stage in self.plan.stages]
        for earlier in self.state.stages[: names.index(request.stage)]:
            for each, known in earlier.days.items():
                assert known.status in {DayStatus.DONE, DayStatus.SKIPPED}
                assert known.status is DayStatus.SKIPPED or self.is_true(self.state, earlier.name, each)
        for old in self.sent:
            if old.request.stage == request.stage and old.request.window.meets(request.window):
                self.judge_repetition(old, request)
        self.freed.discard(request.stage)
        self.wire = Sent(request, self.state.log.epoch)
        self.sent.append(self.wire)

    def judge_repetition(self, old: Sent, request: Request) -> None:
        prints_start = self.plan.stage(request.stage).rules.prints_start
        stood = old.arrived is not None and old.arrived == self.state.log.epoch and old.arrived not in self.torn
        if stood and (prints_start or old.believed == old.arrived):
            assert request.stage in self.freed, f"{request} repeats {old.request}, which is at work"

    # ---- Kubecost

    @property
    def live(self) -> Epoch:
        return Epoch(f"pod-{self.lives}", f"container-{self.lives}")

    def live_again(self) -> Epoch:
        """Another container begins; all work is lost. Reading its stores it prints what an ordinary run prints."""
        self.lives += 1
        self.ready = False
        self.work = []
        self.logs[self.live] = []
        for stage in ("asset", "allocation"):
            for each in self.plan.window.days():
                self.say(written(stage, (each - day(0)).days))
        return self.live

    def say(self, fact: Fact) -> None:
        self.logs[self.live].append(replace(fact, at=self.now, stamped_by_runtime=True))

    def arrive(self) -> None:
        """The request on the wire reaches the container that lives, if that is ready."""
        if self.wire is None or self.wire.arrived is not None or not self.ready:
            return
        self.wire.arrived = self.live
        request = self.wire.request
        rules = self.plan.stage(request.stage).rules
        if rules.prints_start:
            mark = f"id{request.request}"
            made = Fact(Meaning.REPAIR_STARTED, "start", f"start {mark}", request.stage, window=request.window, id=mark)
            self.say(replace(made, resolution="1d"))
        self.work += self.job(request.stage, request.window, rules.least)

    def job(self, stage: str, window: Window, least: Evidence) -> list[Callable[[], Fact | None]]:
        numbers = [(each - day(0)).days for each in window.days()]

        def finish(number: int, key: str, line: Fact | None) -> Callable[[], Fact | None]:
            def do() -> Fact | None:
                self.finished.add((stage, day(number), key))
                return line

            return do

        match least:
            case Evidence.WINDOW_DONE:
                rest = numbers[1:] if self.wipes else numbers
                wiped = [lambda: written(stage, numbers[0], (0, 0))] if self.wipes else []
                self.wipes = False
                return [*wiped, *(finish(n, "", written(stage, n)) for n in rest)]
            case Evidence.NEXT_STARTED:
                steps: list[Callable[[], Fact | None]] = []
                for n in numbers:
                    steps.append(lambda n=n: begun(stage, n))  # type: ignore[misc]
                    steps.append(finish(n, "", written(stage, n) if n == numbers[-1] or n % 2 else None))
                return steps
            case Evidence.REPAIR_ENDED:
                return [finish(n, key, ended(stage, n, key)) for key in self.keys for n in numbers]
            case _:
                widest = numbers[0] + max(len(numbers), 7) - 1
                return [lambda key=key: active(stage, numbers[0], widest, key) for key in self.keys]  # type: ignore[misc]

    def works(self) -> None:
        """One piece of work, a few seconds long."""
        self.passes(7)
        if self.work and self.ready:
            line = self.work.pop(0)()
            if line is not None:
                self.say(line)

    # ---- the log

    def deliver(self, count: int, *, swap: bool = False, again: bool = False) -> None:
        """The next lines of the followed log; the last two of them swapped, or some that were delivered already."""
        if not self.connected:
            return
        place = self.read.get(self.follows, 0)
        log = self.logs[self.follows]
        lines = log[place : place + count]
        if swap:
            lines[-2:] = reversed(lines[-2:])
        if again:
            lines = log[max(0, place - 3) : place] + lines
        self.read[self.follows] = min(len(log), place + count)
        if lines:
            stamps = [line.at for line in lines if line.at is not None]
            size = len(lines)
            self.tell(LogRead(self.follows, tuple(lines), size, size, 0, size, max(stamps, default=None)))

    def drain(self) -> None:
        """What was left of an earlier life's log comes late, as what it is."""
        for epoch, log in self.logs.items():
            place = self.read.get(epoch, 0)
            if self.connected and epoch not in {self.follows, self.live} and place < len(log):
                self.read[epoch] = len(log)
                self.tell(LogRead(epoch, tuple(log[place:]), len(log) - place, len(log) - place, 0, 1))
                return

    def catch_up(self) -> None:
        """Everything that the followed log holds, then ``CaughtUp``; where a crash comes in between, not that."""
        upto, boots = self.now, self.state.log.attachments
        self.deliver(len(self.logs[self.follows]))
        if self.connected and boots == self.state.log.attachments:
            self.tell(CaughtUp(upto))

    def attach(self) -> None:
        """The stream is opened; a life that is over is read to its end, then the next one is told of."""
        if not self.connected:
            self.connected = True
            self.tell(Attached(self.follows, "pod"))
        if self.connected:
            self.catch_up()

    def notice(self) -> None:
        """The source learns that another container lives; the old log was read as far as it was."""
        if self.follows == self.live or not self.connected:
            return
        self.follows = self.live
        self.tell(EpochChanged(self.live, "OOMKilled"))
        if self.connected:
            self.tell(Attached(self.live, "pod"))
        if self.connected:
            self.catch_up()

    def tells_ready(self) -> None:
        if self.connected and self.follows == self.live and self.ready:
            self.tell(TargetReady(self.live))

    def tear(self) -> None:
        """What was not read of the followed log is lost, and that is known."""
        if self.connected:
            self.torn.add(self.follows)
            self.read[self.follows] = len(self.logs[self.follows])
            self.tell(GapFound(Gap(None, None, "rotated away")))

    def lose_stream(self) -> None:
        if self.connected:
            self.connected = False
            self.tell(StreamLost("connection reset"))

    # ---- answers, people, time

    def answer(self, how: str) -> None:
        """The request on the wire arrives or not, and is answered."""
        if self.wire is None:
            return
        number = self.wire.request.request
        if how in {"accepted", "time-out after arrival"}:
            self.arrive()
        arrived, self.wire = self.wire.arrived, None
        if how == "accepted" and arrived is not None:
            self.tell(RequestAccepted(number, "200"))
        elif how == "not sent" and arrived is None:
            self.tell(RequestNotSent(number, "connection refused"))
        else:
            self.tell(RequestUnclear(number, "time-out"))

    def ask(self, move: Move) -> None:
        asked = OperatorAsked(move, "because")
        if objection(self.state, asked) is None:
            self.freed |= {stage.name for stage in self.plan.stages}
        self.tell(asked)

    def passes(self, seconds: float) -> None:
        """Time passes; the daemon wakes at its deadlines, and never spins."""
        end = self.now + timedelta(seconds=seconds)
        steps = 0
        while (due := next_deadline(self.state, self.plan)) is not None and due <= end:
            steps = steps + 1 if due <= self.now else 0
            assert steps < BUSY, f"busy loop: deadline {due} at {self.now}"
            self.now = max(self.now, due)
            self.tell(DeadlineReached())
        self.now = end

    # ---- judging

    def judge(self, before: State, after: State, event: Event, commands: tuple[Command, ...]) -> None:
        """What must hold after every step, saved or not."""
        illegal = [each.text for each in commands if isinstance(each, Record) and each.kind == "illegal"]
        allowed = isinstance(event, OperatorAsked) and objection(before, event) is not None
        assert allowed or not illegal, illegal
        assert len([each for each in commands if isinstance(each, Request)]) <= 1
        check_state(after, self.plan)
        for stage in after.stages:
            for each, known in stage.days.items():
                old = before.stage(stage.name).days[each]
                if isinstance(event, EpochChanged) and old.status is DayStatus.DONE and not old.inferred:
                    assert known == old, f"{stage.name} {each} was proven, and is void"
                if known.status is DayStatus.DONE and before.stage(stage.name).days[each].status is not DayStatus.DONE:
                    assert self.is_true(after, stage.name, each), f"{stage.name} {each} is claimed done: {known}"
                    self.judge_quiet(before, after, stage.name, each)
            if stage.status is StageStatus.DONE:
                assert {known.status for known in stage.days.values()} <= {DayStatus.DONE, DayStatus.SKIPPED}

    def is_true(self, state: State, stage: str, each: date) -> bool:
        """True when the model finished this day, for every provider that could be known."""
        plan = self.plan.stage(stage)
        if plan.rules.least is Evidence.QUIET:
            return True  # judged when it is concluded
        keys = (state.providers | plan.providers) if plan.rules.per_provider else {""}
        return all((stage, each, key) in self.finished for key in keys)

    def judge_quiet(self, before: State, after: State, stage: str, each: date) -> None:
        """Quiet is concluded only after lines that covered the day, for every provider, and a quiet that was heard."""
        plan, held = self.plan.stage(stage), before.stage(stage).open
        if plan.rules.least is not Evidence.QUIET:
            return
        assert held is not None
        assert held.epoch is not None
        lines = [line for line in self.logs[held.epoch] if line.stage == stage and line.at is not None]
        since = [line for line in lines if line.at is not None and line.at >= held.requested_at - timedelta(seconds=5)]
        covering = {line.provider for line in since if line.window is not None and line.window.covers(each)}
        assert covering >= (after.providers | plan.providers), f"{stage} {each} concluded, seen {covering}"
        heard = after.log.heard_until
        assert heard is not None
        stamps = [line.at for line in since if line.at is not None and line.at <= heard]
        assert max(stamps) <= heard - plan.patience.quiet, f"{stage} {each} concluded, but it was not quiet"

    # ---- a good end

    def settle(self) -> None:
        """From now on all goes well: whatever is owed comes, then hours pass. The run must end, or say why not."""
        self.crash, self.attends, self.wipes = None, True, False
        for _ in range(60):
            if self.state.status is RunStatus.DONE:
                return
            self.passes(30)
            self.ready = True
            self.attach()
            self.notice()
            self.tells_ready()
            self.answer("accepted")
            while self.work:
                self.works()
            self.attach()
            self.passes(1300)
            self.attach()
