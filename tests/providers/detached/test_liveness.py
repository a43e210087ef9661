import os
import subprocess
import sys
import time
from pathlib import Path

import attrs
import pytest

from finetuner.providers.detached.liveness import ProcessIdentity

procfs = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="the system doesn't tell when processes start")


def identity(pid: int) -> ProcessIdentity:
    return ProcessIdentity.of(pid, launch=1)


def test_a_running_process_is_alive():
    assert identity(os.getpid()).alive(time.time())


def test_a_process_that_ended_is_not():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        found = identity(process.pid)
        assert found.alive(time.time())
    assert not found.alive(time.time())


@procfs
def test_a_zombie_is_dead():
    """A child that nobody waited for still has its number, but does nothing."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        found = identity(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not found.alive(time.time())


@procfs
def test_a_number_that_another_process_got_is_not_the_same_process():
    """The start tells them apart, though the number runs."""
    assert not attrs.evolve(identity(os.getpid()), started="other-boot/1").alive(time.time())


def test_on_another_machine_only_signs_of_life_count():
    elsewhere = attrs.evolve(identity(os.getpid()), host="elsewhere")
    assert elsewhere.alive(time.time())
    assert not elsewhere.alive(time.time() - 600)


def test_where_starts_are_unknown_a_silent_number_is_dead():
    unknown = attrs.evolve(identity(os.getpid()), started="")
    assert unknown.alive(time.time())
    assert not unknown.alive(time.time() - 600)
