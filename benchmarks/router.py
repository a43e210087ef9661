"""What a router costs a request: the decision against flag SDKs, all that is added around a call, events per second.

Run: python benchmarks/router.py [requests]. Needs growthbook and openfeature-sdk for the comparison.
"""

import importlib.util
import statistics
import sys
import tempfile
import threading
import time
import timeit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from finetuner.deployment import observations
from finetuner.deployment.observations import Observation
from finetuner.deployment.recorder import Recorder, RecorderOptions
from finetuner.deployment.rollout import Rollout
from finetuner.deployment.router import Router
from finetuner.deployment.segments import Segment
from finetuner.deployment.snapshot import Snapshot
from finetuner.deployment.state import Arm
from finetuner.providers.ports import Completion, CompletionOptions, Usage
from finetuner.records.journal import Journal

REQUESTS = int(sys.argv[1]) if len(sys.argv) > 1 else 1500
MODEL_SECONDS = 0.001
COMPLETION = Completion(text="card_lost", model="m", usage=Usage(prompt_tokens=20, completion_tokens=3))


def best(call: Callable[[], object], number: int = 20_000) -> float:
    """Microseconds of a call: the best of seven rounds."""
    return min(timeit.repeat(call, number=number, repeat=7)) / number * 1e6


def new_rollout(folder: str) -> Rollout:
    return Rollout.create("tickets", base="acme:base", tuned="acme:tuned", store=Path(folder))


def decisions(folder: str) -> None:
    rollout = new_rollout(folder)
    rollout.ramp(0.2)
    snapshot = Snapshot(rollout.state)
    ours = best(lambda: snapshot.assign("customer-4711"))
    print(f"decision, finetuner                      {ours:8.2f} µs")
    if importlib.util.find_spec("growthbook"):
        from growthbook import GrowthBook

        rule = {"variations": ["base", "tuned"], "weights": [0.8, 0.2], "key": "tickets"}
        growthbook = GrowthBook(
            attributes={"id": "customer-4711"}, features={"arm": {"defaultValue": "base", "rules": [rule]}}
        )
        theirs = best(lambda: growthbook.get_feature_value("arm", "base"), 2000)
        print(f"decision, growthbook                     {theirs:8.2f} µs   {theirs / ours:5.1f} times")
    if importlib.util.find_spec("openfeature"):
        from openfeature import api
        from openfeature.evaluation_context import EvaluationContext
        from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

        api.set_provider(InMemoryProvider({"arm": InMemoryFlag("base", {"base": "base", "tuned": "tuned"})}))
        client = api.get_client()
        context = EvaluationContext(targeting_key="customer-4711")
        theirs = best(lambda: client.get_string_value("arm", "base", context), 2000)
        print(f"decision, openfeature in memory          {theirs:8.2f} µs   {theirs / ours:5.1f} times")
        api.shutdown()


def timed_model(_prompt: Any, _options: CompletionOptions) -> Completion:
    time.sleep(MODEL_SECONDS)
    return COMPLETION


def row(name: str, values: list[float]) -> None:
    """Print the median and the 99th percentile of sorted microseconds."""
    print(f"{name:40} {statistics.median(values):8.1f} µs   p99 {values[int(0.99 * len(values))]:8.1f} µs")


def added(call: Callable[[int], object]) -> list[float]:
    """Microseconds over a call of the bare model beside it, request by request, sorted: paired differences."""
    differences = []
    for number in range(REQUESTS):
        started = time.perf_counter()
        timed_model(None, CompletionOptions())
        bare = time.perf_counter()
        call(number)
        differences.append((time.perf_counter() - bare - (bare - started)) * 1e6)
    return sorted(differences)


def clocked_model(_prompt: Any, _options: CompletionOptions) -> Completion:
    """The model, which notes how long it took itself."""
    started = time.perf_counter()
    time.sleep(MODEL_SECONDS)
    CLOCK.append(time.perf_counter() - started)
    return COMPLETION


def instant_model(_prompt: Any, _options: CompletionOptions) -> Completion:
    CLOCK.append(0.0)
    return COMPLETION


CLOCK: list[float] = []


def inside(router: Router, arm: Arm) -> list[float]:
    """Microseconds of a request less what the model itself took in it, sorted."""
    spent = []
    for number in range(REQUESTS):
        CLOCK.clear()
        started = time.perf_counter()
        router.complete("I lost my card", unit=number, arm=arm)
        spent.append((time.perf_counter() - started - CLOCK[0]) * 1e6)
    return sorted(spent)


@contextmanager
def routed(rollout: Rollout, **options: Any) -> Iterator[Router]:
    router = Router(rollout, **({"base": clocked_model, "tuned": clocked_model} | options))
    try:
        yield router
    finally:
        router.close(1.0)


def overheads(folder: str) -> None:
    rollout = new_rollout(folder)
    rollout.ramp(0.2)

    with routed(rollout, base=instant_model, tuned=instant_model) as router:
        row("added around base, instant model", inside(router, "base"))
        row("added around tuned, instant model", inside(router, "tuned"))
    with routed(rollout) as router:
        row("added around base, shadow off", inside(router, "base"))
        row("added around tuned (own thread)", inside(router, "tuned"))
    rollout.shadow(1.0)
    # The shadow's model must not write into the clock of the request.
    with routed(rollout, tuned=timed_model) as router:
        row("added around base, all shadowed", inside(router, "base"))


def tails(folder: str) -> None:
    """p99 of a request that base answers, paired with the bare model, while everything beside it is broken."""
    rollout = new_rollout(folder)
    rollout.shadow(1.0)
    release = threading.Event()

    def hang(*_: Any) -> Completion:
        release.wait(60)
        return COMPLETION

    def fail(*_: Any) -> Completion:
        raise RuntimeError("down")

    def full(_self: Segment, _data: bytes) -> int:
        raise OSError("no space left")

    row("bare model beside itself", added(lambda _: timed_model(None, CompletionOptions())))
    write = Segment.write
    for name, tuned, disk in (
        ("shadow answers", timed_model, write),
        ("shadow hangs", hang, write),
        ("shadow fails", fail, write),
        ("disk full", timed_model, full),
    ):
        Segment.write = disk  # type: ignore[method-assign]
        with routed(rollout, base=timed_model, tuned=tuned) as router:
            differences = added(lambda number, router=router: router.complete("hi", unit=number))
            release.set()
        Segment.write = write  # type: ignore[method-assign]
        row(f"base beside bare model, {name}", differences)


def events(folder: str) -> None:
    event = Observation(kind="exposure", request_id="r" * 32, at=time.time(), unit="customer-4711", analyzed=True)
    recorder = Recorder(Path(folder) / "events", RecorderOptions(capacity=10**6, most_bytes=10**9))
    number = 100_000
    started = time.perf_counter()
    for _ in range(number):
        recorder.append(event)
    taken = time.perf_counter() - started
    recorder.close(60)
    written = time.perf_counter() - started
    with Journal.open(folder) as journal:
        started = time.perf_counter()
        folded = observations.fold(Path(folder) / "events", journal, "tickets")
        folding = time.perf_counter() - started
    print(f"events taken                             {number / taken:9,.0f} a second, lost {dict(recorder.lost)}")
    print(f"events on disk                           {number / written:9,.0f} a second")
    print(f"events folded into SQLite                {folded / folding:9,.0f} a second")


def main() -> None:
    for part in (decisions, overheads, tails, events):
        with tempfile.TemporaryDirectory() as folder:
            part(folder)


if __name__ == "__main__":
    main()
