"""Rows that a model was trained on are no test: they are found by the hash of their prompt."""

from finetuner.errors import LeakError
from finetuner.evaluation.ports import LabeledData

_MOST_LINES = 20


def trained_rows(data: LabeledData, trained: frozenset[str]) -> tuple[int, ...]:
    """Indexes of the rows whose prompt hash (16 hexadecimal digits) is among those trained on."""
    return tuple(index for index, row_hash in enumerate(data.prompt_hashes()) if row_hash in trained)


def refuse_training_rows(model: str, data: LabeledData, trained: frozenset[str]) -> None:
    """Raise where a model would be tested on what it was trained on.

    Raises:
        LeakError: The message says how many rows, and which lines.
    """
    rows = trained_rows(data, trained)
    if not rows:
        return
    lines = [data.line(row) for row in rows[:_MOST_LINES]]
    places = ", ".join(str(row + 1 if line is None else line) for row, line in zip(rows, lines, strict=False))
    more = f" and {len(rows) - _MOST_LINES} more" if len(rows) > _MOST_LINES else ""
    raise LeakError(
        f"{len(rows)} of {len(data)} rows of {data.source} were in the training data of {model}: "
        f"line {places}{more}; test on rows it has not seen, or pass allow_training_rows=True"
    )
