"""Routers across forks and at the end of a process: a child begins anew, an ending process drains what waits."""

import atexit
import os
import signal
import threading
import time
from typing import Any, Final, Protocol
from weakref import WeakSet

DRAIN_SECONDS: Final = 5.0
_GRACE_SECONDS: Final = 0.5


class Living(Protocol):
    """What must know about forks and the end."""

    def reset(self) -> None:
        """Begin anew in a forked child."""
        ...

    def close(self, timeout: float) -> None:
        """Drain for at most so many seconds, and give up the rest."""
        ...


_living: "WeakSet[Living]" = WeakSet()
_hooks = threading.Lock()
_hooked = False


def watch(living: Living) -> None:
    """Reset it in forked children, and close it when the process ends, by `SIGTERM` too where nobody handles that.

    Servers such as uvicorn and gunicorn handle `SIGTERM` themselves and end normally.
    """
    global _hooked  # noqa: PLW0603  # hooks of a process are global by nature
    with _hooks:
        _living.add(living)
        if not _hooked:
            _hooked = True
            os.register_at_fork(after_in_child=_reset_all)
            atexit.register(close_all)
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def close_all(seconds: float = DRAIN_SECONDS) -> None:
    """Close everything that still lives, within so many seconds in all."""
    until = time.monotonic() + seconds
    for living in list(_living):
        living.close(max(0.0, until - time.monotonic()))


def _reset_all() -> None:
    global _hooks  # noqa: PLW0603  # a thread of the parent may have held it
    _hooks = threading.Lock()
    for living in list(_living):
        living.reset()


def _terminate(number: int, _frame: Any) -> None:
    # In a thread of its own: the interrupted code may hold a lock that closing needs; then the time runs out.
    closing = threading.Thread(target=close_all, name="finetuner-close", daemon=True)
    closing.start()
    closing.join(DRAIN_SECONDS + _GRACE_SECONDS)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
