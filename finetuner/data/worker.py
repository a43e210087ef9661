"""A worker process: reads a task a line from standard input, and writes its answer as a line to standard output."""

import signal
import sys

from finetuner.data.scale import perform


def main() -> None:
    """Answer tasks until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and ends its workers
    answers = sys.stdout.buffer
    for task in sys.stdin.buffer:
        answers.write(perform(task) + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
