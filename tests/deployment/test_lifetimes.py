"""A process that ends drains for a while and spills the rest; a forked child begins anew (R6, R7)."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from finetuner.deployment import observations
from finetuner.deployment.observations import Observation
from finetuner.deployment.rollout import Rollout
from finetuner.deployment.router import Router
from finetuner.testing.clock import FakeClock

SCRIPT = """
import os, signal, sys, threading, time
from finetuner.deployment import lifetimes
from finetuner.deployment.rollout import Rollout
from finetuner.deployment.router import Router

lifetimes.DRAIN_SECONDS = 5.0
rollout = Rollout.get("faq", store=sys.argv[1])

def tuned(prompt, options):
    time.sleep({seconds})
    return "new"

router = Router(rollout, base=lambda prompt, options: "old", tuned=tuned)
for number in range(12):
    assert router.complete("hi", unit=number).text == "old"
{ending}
"""

ENDINGS = {
    "exit": "",
    "sys.exit": "sys.exit(0)",
    "error": "raise SystemExit(0)",
    "SIGTERM": "os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)",
}


@pytest.fixture
def rollout(tmp_path: Path) -> Rollout:
    rollout = Rollout.create("faq", base="a:base", tuned="a:tuned", store=tmp_path)
    rollout.shadow(1.0)
    return rollout


def events(rollout: Rollout) -> list[Observation]:
    observations.fold(rollout.events_folder, rollout.journal, rollout.name)
    return list(observations.folded(rollout.journal, rollout.name))


@pytest.mark.parametrize("ending", list(ENDINGS))
def test_a_process_that_ends_drains_its_shadows(rollout: Rollout, tmp_path: Path, ending: str) -> None:
    script = SCRIPT.format(seconds=0.05, ending=ENDINGS[ending])
    ended = subprocess.run([sys.executable, "-c", script, str(tmp_path)], timeout=60, check=False)
    assert ended.returncode == (-signal.SIGTERM if ending == "SIGTERM" else 0)
    shadows = [event for event in events(rollout) if event.kind == "shadow"]
    assert (len(shadows), {event.lost for event in shadows}) == (12, {None})


def test_what_hangs_at_the_end_is_spilled_as_abandoned(rollout: Rollout, tmp_path: Path) -> None:
    script = SCRIPT.format(seconds=600, ending="router.close(0.6)")
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], timeout=60, check=True)
    found = events(rollout)
    assert [event.kind for event in found].count("exposure") == 12
    assert [event.lost for event in found].count("abandoned") == 12


def test_a_forked_child_serves_and_records_for_itself(rollout: Rollout) -> None:
    """As gunicorn with `preload_app`: the router is made, and used, before the workers are forked."""
    rollout.ramp(0.5)
    router = Router(rollout, base=lambda *_: "old", tuned=lambda *_: "new")
    before = [router.complete("hi", unit=unit).arm for unit in range(20)]
    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            same = [router.complete("hi", unit=unit).arm for unit in range(20)] == before
            router.close()
            os._exit(0 if same else 1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    router.close()
    exposures = [event for event in events(rollout) if event.kind == "exposure"]
    assert len(exposures) == len({event.request_id for event in exposures}) == 80
    assert {(event.unit, event.assigned) for event in exposures} == {(str(n), arm) for n, arm in enumerate(before)}


def test_a_router_that_nobody_holds_is_forgotten(rollout: Rollout) -> None:
    from weakref import ref

    router = Router(rollout, base=lambda *_: "old", tuned=lambda *_: "new", clock=FakeClock())
    gone = ref(router._traffic)
    del router
    import gc

    gc.collect()
    assert gone() is None
