"""Who does the work of a pass that was cut into tasks: this process, several processes, or a Ray cluster.

A task and its answer are JSON, so that nothing is pickled and no class has to be the same on both sides.
"""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from tempfile import TemporaryFile
from typing import IO, Any, Final

from finetuner._core.cores import cores
from finetuner._core.extras import require
from finetuner.errors import DataError, UnknownNameError

ENGINES: Final = ("serial", "processes", "ray")
"""Where a pass can run: here, in a process for each core, or on the machines of a Ray cluster (extra `scale`)."""

_WORTHWHILE: Final = 256 * 1024 * 1024  # bytes from which on starting processes pays
_MODULE: Final = "finetuner.data.worker"
_SHOWN: Final = 500


def choose(engine: str | None, size: int) -> str:
    """The engine for a pass.

    Args:
        engine: What was asked for; None leaves it to the size.
        size: Bytes to be read.

    Raises:
        UnknownNameError: There is no such engine.
    """
    if engine is None:
        return "processes" if size >= _WORTHWHILE and cores() > 1 and sys.executable else "serial"
    if engine not in ENGINES:
        raise UnknownNameError(f"no engine {engine!r}; known: {', '.join(ENGINES)}")
    return engine


def run(tasks: Sequence[bytes], engine: str) -> Iterator[bytes]:
    """The answers to tasks, in their order.

    Args:
        tasks: What `finetuner.data.scale.perform` takes.
        engine: `processes` or `ray`.

    Raises:
        DataError: A worker ended without an answer.
        MissingExtraError: Ray isn't installed.
    """
    return _on_ray(tasks) if engine == "ray" else _in_processes(tasks)


def _in_processes(tasks: Sequence[bytes]) -> Iterator[bytes]:
    count = min(cores(), len(tasks))
    idle: SimpleQueue[_Worker] = SimpleQueue()
    workers = [_Worker() for _ in range(count)]
    for worker in workers:
        idle.put(worker)

    def ask(task: bytes) -> bytes:
        worker = idle.get()
        try:
            return worker.ask(task)
        finally:
            idle.put(worker)

    try:
        with ThreadPoolExecutor(count) as pool:
            try:
                yield from pool.map(ask, tasks)
            finally:
                pool.shutdown(cancel_futures=True, wait=False)
    finally:
        for worker in workers:
            worker.close()


class _Worker:
    """A process that answers one task after the other."""

    def __init__(self) -> None:
        # The child finds what its parent finds, plug-ins included; no code of the caller's is run in it.
        paths = os.pathsep.join(filter(None, sys.path))
        environment = {**os.environ, "PYTHONPATH": paths, "RAYON_NUM_THREADS": "1"}
        self._errors: IO[bytes] = TemporaryFile()  # noqa: SIM115  # closed in close()
        self._process = subprocess.Popen(  # noqa: S603  # our own module in our own interpreter
            [sys.executable, "-m", _MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
        )

    def ask(self, task: bytes) -> bytes:
        """The answer to a task."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(task + b"\n")
            stdin.flush()
            answer = stdout.readline()
        except BrokenPipeError:
            answer = b""
        if not answer.endswith(b"\n"):
            raise DataError(f"a worker process ended before its work was done{self._last_words()}")
        return answer

    def _last_words(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip().rpartition("\n")[2]
        return f": {said[:_SHOWN]}" if said else f" (exit status {self._process.returncode}); is there enough memory?"

    def close(self) -> None:
        """End the process: it has nothing left to do."""
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:
                continue  # it has ended already
        self._process.terminate()
        self._process.wait()
        self._errors.close()


def _on_ray(tasks: Sequence[bytes]) -> Iterator[bytes]:
    """Every task on some machine of the cluster; files must be under the same path on all of them."""
    ray: Any = require("ray", extra="scale", feature='engine="ray"')
    from finetuner.data.scale import perform

    started = not ray.is_initialized()
    if started:
        ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
    try:
        remote = ray.remote(perform)
        answers = [remote.remote(task) for task in tasks]
        for answer in answers:
            yield ray.get(answer)
    finally:
        if started:
            ray.shutdown()
