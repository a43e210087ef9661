"""A finished job's table of metrics: CSV, as OpenAI sends it in base64, and others plain. Pure.

Columns come and go and cells may be empty (OpenAI's cookbook, 2026-06): names that are known get ours, others are left
out, and so is what isn't a finite number.
"""

import base64
import binascii
import csv
import io
from collections.abc import Mapping

from finetuner._core.types import Json
from finetuner.errors import UnexpectedAnswerError
from finetuner.providers.openai import mapping
from finetuner.providers.openai.failures import NAME


def rows(content: bytes) -> tuple[Mapping[str, float], ...]:
    """The metrics of each step, in the file's order, under our names; rows without a step are left out.

    Raises:
        UnexpectedAnswerError: It is no table with a column `step`.
    """
    try:
        text = _plain(content).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnexpectedAnswerError(f"the result file isn't text: {error}", provider=NAME) from error
    table = csv.DictReader(io.StringIO(text))
    if "step" not in (table.fieldnames or ()):
        raise UnexpectedAnswerError(f"the result file has no column step: {text[:60]!r}", provider=NAME)
    found = (mapping.metrics({name: _number(cell) for name, cell in row.items() if name}) for row in table)
    return tuple(metrics for metrics in found if "step" in metrics)


def _plain(content: bytes) -> bytes:
    """The bytes, decoded where they are base64: a comma, which every table of several columns has, never is."""
    try:
        return base64.b64decode(b"".join(content.split()), validate=True)
    except binascii.Error:
        return content


def _number(cell: Json) -> float | None:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return None
