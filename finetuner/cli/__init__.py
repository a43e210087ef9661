"""The command line: `fine-tuner-cc`, also installed as `finetuner`."""

import sys
from collections.abc import Sequence

__all__ = ["main"]

DONE, NO, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130
"""Exit statuses: done; the answer is no, or an error; wrong usage; interrupted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: The words after the program's name; those of this process by default.

    Returns:
        The exit status. An error is one line on standard error; with `--debug` anywhere it is raised, with its trace.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    try:
        from finetuner.cli.app import app  # takes long enough for an interrupt

        app(args=[word for word in words if word != "--debug"], prog_name="fine-tuner-cc")
    except SystemExit as end:
        return _status(end.code)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # whatever happened, a person gets one line
        if debug:
            raise
        return _failed(error)
    return DONE


def _status(code: object) -> int:
    return code if isinstance(code, int) else DONE if code is None else NO


def _failed(error: Exception) -> int:
    from finetuner.cli import output
    from finetuner.errors import FinetunerError, UsageError

    output.error(_one_line(error) if isinstance(error, FinetunerError | OSError) else f"unexpected {_described(error)}")
    return WRONG_USAGE if isinstance(error, UsageError) else NO


def _one_line(error: Exception) -> str:
    """The error's first line and, where it lists problems, the first of them; of the system's errors the file first."""
    lines = [line.strip() for line in _told(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    more = f" (and {len(lines) - 2:,} more)" if len(lines) > 2 else ""  # noqa: PLR2004  # the summary and one problem
    return "; ".join(lines[:2]) + more


def _told(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename2 or error.filename}: {error.strerror}"
    return str(error)


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {_one_line(error)}; --debug shows where"
