"""JSON validity: share of answers that are one JSON value and nothing else."""

import attrs
import msgspec

from finetuner._core import codec
from finetuner.evaluation.metrics.grading import Case, Grade, MeanMetric


@attrs.frozen
class JsonValidity(MeanMetric):
    """Share of answers that parse as JSON (RFC 8259), prose around it not allowed."""

    name: str = "json_validity"

    def grade(self, case: Case) -> Grade:
        """1 for valid JSON, else 0."""
        valid = is_json(case.answer)
        return Grade(expected=case.expected, value=float(valid), parsed=case.answer if valid else None)


def is_json(text: str) -> bool:
    """Whether a text is one JSON value."""
    try:
        codec.decode(text.encode("utf-8", "replace"))
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
