import os
import subprocess
import sys

from finetuner._core.processes import exists, start_of


def test_a_process_keeps_its_start_and_loses_it_with_its_life():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    begun = start_of(process.pid)
    assert begun is not None
    assert begun == start_of(process.pid)
    assert exists(process.pid)
    process.kill()
    process.communicate()
    assert start_of(process.pid) in (None, "")  # "" where the system doesn't tell
    assert not exists(process.pid)


def test_two_processes_differ():
    assert exists(os.getpid())
    assert start_of(os.getpid()) in ("", start_of(os.getpid()))
    assert start_of(os.getpid()) != start_of(os.getppid()) or start_of(os.getpid()) == ""
