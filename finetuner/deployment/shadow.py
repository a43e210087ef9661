"""Answers that nobody sees: a bounded queue whose losses are counted and that never holds up the caller."""

import queue
import threading
from collections import Counter
from collections.abc import Callable, Mapping

Task = Callable[[], None]

_CAPACITY = 1000
_WORKERS = 8


class ShadowQueue:
    """Runs tasks on daemon threads; a full queue sheds the newest.

    A forked child needs a queue of its own: threads don't cross a fork.
    """

    def __init__(self, *, capacity: int = _CAPACITY, workers: int = _WORKERS) -> None:
        self._tasks: queue.Queue[Task] = queue.Queue(capacity)
        self._workers = workers
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> Mapping[str, int]:
        """Tasks `accepted`, `shed` because the queue was full, `done`, and `failed`."""
        with self._lock:
            return dict(self._counts)

    def submit(self, task: Task) -> bool:
        """Run a task later; False where the queue is full."""
        try:
            self._tasks.put_nowait(task)
        except queue.Full:
            self._count("shed")
            return False
        self._count("accepted")
        self._start()
        return True

    def drain(self) -> None:
        """Block until every accepted task has run."""
        self._tasks.join()

    def _start(self) -> None:
        with self._lock:
            if len(self._threads) < self._workers:
                thread = threading.Thread(target=self._work, name="finetuner-shadow", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        while True:
            task = self._tasks.get()
            outcome = "failed"
            try:
                task()
                outcome = "done"
            except BaseException:  # noqa: BLE001  # nothing a shadow does may end its thread; it is counted
                outcome = "failed"
            finally:
                self._count(outcome)
                self._tasks.task_done()

    def _count(self, outcome: str) -> None:
        with self._lock:
            self._counts[outcome] += 1
