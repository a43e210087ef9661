"""Seeded simulation: workers that are killed, stopped, cut off and lied to, and the invariants that hold all the same.

I1 nobody gets tuned later than a second after a rollback; I2 a unit keeps its arm within an epoch; I3 an acknowledged
event is in the journal exactly once; I4 there are as many events as answers; I5 the share never rises without a gate or
a person; I6 one controller at a time; I7 base always answers.

Time is virtual, and so are kill -9 (a worker's memory is gone, its files stay) and SIGSTOP (it neither looks nor
serves); the journal, the state file, segments, spools and the router are the real ones.
"""

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from finetuner.deployment import observations
from finetuner.deployment.breaker import BreakerOptions
from finetuner.deployment.observations import Observation
from finetuner.deployment.poller import kill_switch
from finetuner.deployment.recorder import Recorder
from finetuner.deployment.rollout import Rollout
from finetuner.deployment.router import Router
from finetuner.deployment.segments import Segment
from finetuner.errors import JournalError, RolloutError
from finetuner.providers.ports import CompletionOptions
from finetuner.records.leases import Leases

_MEMORY = Path("/dev/shm")
STEPS = 150


class SimulatedClock:
    """One time for all; the wall clock of each may jump."""

    def __init__(self) -> None:
        self.time = 0.0
        self.jump = 0.0

    def now(self) -> float:
        return 1_800_000_000.0 + self.time + self.jump

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.time += seconds


class PumpedRecorder(Recorder):
    """A recorder whose thread runs when the simulation says so; remembers what it acknowledged."""

    acknowledged: list[str]

    def _start(self) -> None:
        with self._lock:
            if self._spool is None:
                self._spool_on()

    def append(self, event: Observation) -> bool:
        self._start()
        taken = super().append(event)
        if taken and event.kind == "exposure":
            self.acknowledged.append(event.request_id)
        return taken

    def die(self) -> None:
        """What a kill -9 leaves: files."""
        if self._spool is not None:
            self._spool.abandon()
        self._segment.abandon()


class World:
    """Everything, and the rules that it is held to."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.random = random.Random(seed)
        self.clock = SimulatedClock()
        self.rollout = Rollout.create("sim", base="a:base", tuned="a:tuned", store=folder, clock=self.clock)
        self.broken = self.full = False
        self.workers: list[Router] = []
        self.stopped: set[int] = set()
        self.acknowledged: list[str] = []
        self.answered = 0
        self.arms: dict[tuple[int, str], str] = {}
        self.taken_back_at: float | None = None
        self.holders: dict[str, float] = {}
        for _ in range(3):
            self.start()

    # -- the machinery -----------------------------------------------------------------------------------------------

    def start(self) -> None:
        def base(_prompt: Any, _options: CompletionOptions) -> str:
            return "old"

        def tuned(_prompt: Any, _options: CompletionOptions) -> str:
            if self.broken:
                raise ConnectionError("down")
            return "new"

        breaker = BreakerOptions(window=10, minimum=5, pause=2.0)
        router = Router(self.rollout, base=base, tuned=tuned, breaker=breaker, clock=self.clock)
        recorder = PumpedRecorder(self.rollout.events_folder)
        recorder.acknowledged = self.acknowledged
        traffic = router._traffic
        traffic.recorder = recorder
        traffic.poller.start = lambda: None  # type: ignore[method-assign]  # it looks when the simulation says so
        self.workers.append(router)

    def look(self) -> None:
        """The pollers of all that aren't stopped."""
        for place, router in enumerate(self.workers):
            if place not in self.stopped:
                router.poll()

    def pass_time(self, seconds: float) -> None:
        """Time passes in steps in which everybody who runs looks and writes."""
        for _ in range(max(1, round(seconds / 0.25))):
            self.clock.time += min(seconds, 0.25)
            self.look()
        for place, router in enumerate(self.workers):
            if place not in self.stopped and self.random.random() < 0.5:
                self.recorder(router)._write()

    @staticmethod
    def recorder(router: Router) -> PumpedRecorder:
        recorder = router._traffic.recorder
        assert isinstance(recorder, PumpedRecorder)
        return recorder

    def changed(self, change: Callable[[], Any]) -> None:
        try:
            change()
        except (RolloutError, JournalError):
            return
        if self.rollout.state.share > 0:
            self.taken_back_at = None
        elif self.taken_back_at is None:
            self.taken_back_at = self.clock.time

    # -- what happens ------------------------------------------------------------------------------------------------

    def serve(self) -> None:
        running = [router for place, router in enumerate(self.workers) if place not in self.stopped]
        if not running:
            return
        unit = f"u{self.random.randrange(40)}"
        asks = self.random.choice((None, None, None, "tuned"))
        router = self.random.choice(running)
        answer = router.complete("hi", unit=unit, arm=asks)  # I7: never raises
        self.answered += 1
        assert answer.text == {"base": "old", "tuned": "new"}[answer.arm]
        late = self.taken_back_at is not None and self.clock.time >= self.taken_back_at + 1.0
        assert not (late and answer.arm == "tuned"), "I1: tuned a second after it was taken back"

    def raise_share(self) -> None:
        share = self.random.choice((0.05, 0.2, 0.5, 0.9))
        self.changed(lambda: self.rollout.ramp(share, approver="ana"))

    def promote(self) -> None:
        self.changed(lambda: self.rollout.promote(approver="ana"))

    def take_back(self) -> None:
        self.changed(lambda: self.rollout.rollback("simulated"))

    def corrupt(self) -> None:
        self.rollout.state_path.write_bytes(self.random.choice((b"", b"{", b"null", b'{"share": 1.0}')))

    def repair(self) -> None:
        self.rollout._publish()

    def throw_switch(self) -> None:
        path = kill_switch(self.rollout.state_path)
        path.unlink() if path.exists() else path.touch()

    def kill(self) -> None:
        if self.workers:
            place = self.random.randrange(len(self.workers))
            self.recorder(self.workers.pop(place)).die()
            self.stopped = {other - (other > place) for other in self.stopped if other != place}
            self.start()

    def stop_or_go(self) -> None:
        self.stopped ^= {self.random.randrange(len(self.workers))}

    def break_or_mend_tuned(self) -> None:
        self.broken = not self.broken

    def fill_or_free_disk(self) -> None:
        self.full = not self.full

    def jump(self) -> None:
        self.clock.jump += self.random.uniform(-7200, 7200)

    def fold(self) -> None:
        if not self.full:
            observations.fold(self.rollout.events_folder, self.rollout.journal, self.rollout.name)

    def control(self) -> None:
        holder = self.random.choice("AB")
        clock = SimulatedClock()
        clock.time = self.clock.time
        if Leases(self.rollout.journal, clock).acquire("rollout:sim", holder, seconds=5):
            others = [until for other, until in self.holders.items() if other != holder]
            assert all(until < self.clock.time for until in others), "I6: two controllers"
            self.holders = {holder: self.clock.time + 5}

    # -- the end -----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        doings: list[tuple[Callable[[], None], int]] = [
            (self.serve, 60), (lambda: self.pass_time(self.random.choice((0.1, 0.5, 2.0))), 20), (self.raise_share, 2),
            (self.promote, 1), (self.take_back, 2), (self.corrupt, 1), (self.repair, 2), (self.throw_switch, 1),
            (self.kill, 2), (self.stop_or_go, 3), (self.break_or_mend_tuned, 2), (self.fill_or_free_disk, 2),
            (self.jump, 1), (self.fold, 2), (self.control, 3),
        ]  # fmt: skip
        doing, weights = zip(*doings, strict=True)
        for _ in range(STEPS):
            self.random.choices(doing, weights)[0]()
        self.full = False
        for router in self.workers:
            recorder = self.recorder(router)
            assert recorder._write()
            recorder.die()
        self.fold()

    def check(self) -> None:
        events = observations.folded(self.rollout.journal, self.rollout.name)
        found = [event.request_id for event in events if event.kind == "exposure"]
        assert len(found) == len(set(found)), "I3: an event twice"
        assert set(self.acknowledged) <= set(found), "I3: an acknowledged event is lost"
        assert len(found) <= self.answered, "I4: more events than answers"
        assert len(set(self.acknowledged)) == self.answered, "I4: with room in memory, every answer is acknowledged"
        for event in events:
            if event.analyzed and event.unit is not None and event.reason in {"bucket", "holdout"}:
                known = self.arms.setdefault((event.epoch, event.unit), event.assigned)
                assert known == event.assigned, "I2: a unit changed its arm within an epoch"
        before = 0.0
        for entry in self.rollout.audit:
            state: Any = entry.body
            if entry.kind in {"create", "ramp", "promote", "rollback", "shadow"}:
                raised = state["share"] > before
                assert not raised or (entry.kind in {"ramp", "promote"} and state["approver"]), "I5: raised by nobody"
                before = state["share"]


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory where that exists: a thousand journals on a disk would take hours."""
    path = Path(tempfile.mkdtemp(dir=_MEMORY if _MEMORY.is_dir() else None))
    yield path
    shutil.rmtree(path)


def simulate(seed: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(seed, folder / str(seed))
    real = Segment.write

    def write(self: Segment, data: bytes) -> int:
        if not world.full:
            return real(self, data)
        room = world.random.randrange(-200, 200)
        if room <= 0:
            raise OSError("no space left")
        return real(self, data[:room])

    with monkeypatch.context() as patch:
        patch.setattr(Segment, "write", write)
        try:
            world.run()
            world.check()
        except AssertionError as error:
            error.add_note(f"seed {seed}")
            raise
        finally:
            world.rollout.journal.close()
            shutil.rmtree(folder / str(seed))
    return world


def test_the_invariants_hold_over_two_dozen_seeds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    worlds = [simulate(seed, folder, monkeypatch) for seed in range(24)]
    assert sum(len(world.acknowledged) for world in worlds) > 1000, "the simulation must do something"


@pytest.mark.slow
@pytest.mark.parametrize("hundred", range(20))
def test_the_invariants_hold_over_two_thousand_seeds(
    hundred: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in range(1000 + 100 * hundred, 1100 + 100 * hundred):
        simulate(seed, folder, monkeypatch)


@pytest.mark.parametrize("expires", [1.0, 1e9])
def test_the_simulation_sees_a_router_that_trusts_old_states(
    folder: Path, monkeypatch: pytest.MonkeyPatch, expires: float
) -> None:
    """A test that cannot fail shows nothing: without the expiry I1 breaks for workers that slept through a rollback."""
    monkeypatch.setattr("finetuner.deployment.poller.EXPIRES_SECONDS", expires)
    world = World(0, folder)
    world.raise_share()
    world.look()
    world.stopped = {0, 1, 2}
    world.take_back()
    world.pass_time(2.0)
    world.stopped = set()
    broken = 0
    for _ in range(50):
        try:
            world.serve()
        except AssertionError:
            broken += 1
    assert (broken > 0) == (expires > 1)
