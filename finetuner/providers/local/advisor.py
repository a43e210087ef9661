"""What an embedded model can't learn well, said before the job is created."""

from collections import Counter
from typing import Final

import attrs

from finetuner.data.ports import Examples
from finetuner.providers.ports import Finding

_OPEN_SHARE: Final = 0.5
_OPEN_ANSWERS: Final = 50
_FEW: Final = 5
_SHOWN: Final = 3


@attrs.frozen
class LocalAdvisor:
    """The `Advisor` of embedded models: they choose among answers seen in training, and need several of each."""

    def advise(self, model: str, training: Examples, method: str) -> tuple[Finding, ...]:  # noqa: ARG002  # the port's
        """Warnings about open-ended answers, a single answer, and rare answers."""
        counts = Counter(example.completion.strip() for example in training)
        counts.pop("", None)
        total = counts.total()
        if not total:
            return (
                Finding(
                    severity="error",
                    code="no_answers",
                    message="no example ends with an assistant's text, so there is nothing to learn",
                    fix="give each example the answer that the model should learn",
                ),
            )
        if len(counts) > _OPEN_ANSWERS and len(counts) / total > _OPEN_SHARE:
            return (_open(len(counts), total),)
        if len(counts) == 1:
            return (_single(next(iter(counts))),)
        rare = sorted(answer for answer, count in counts.items() if count < _FEW)
        return (_rare(rare, len(counts)),) if rare else ()


def _open(distinct: int, total: int) -> Finding:
    return Finding(
        severity="warning",
        code="not_closed_set",
        message=f"{distinct:,} of {total:,} answers are different: an embedded model only chooses among answers that "
        "it has seen, so it will repeat the nearest known one",
        fix="train a generative base model for open-ended answers, or reduce the answers to labels",
    )


def _single(answer: str) -> Finding:
    return Finding(
        severity="warning",
        code="single_answer",
        message=f"every example has the answer {answer[:40]!r}: the model will never say anything else",
        fix="add examples of the other answers",
    )


def _rare(rare: list[str], distinct: int) -> Finding:
    shown = ", ".join([repr(answer[:40]) for answer in rare[:_SHOWN]] + ["…"] * (len(rare) > _SHOWN))
    return Finding(
        severity="warning",
        code="few_examples_per_answer",
        message=f"{len(rare)} of {distinct} answers have fewer than {_FEW} examples: {shown}",
        fix=f"collect at least {_FEW} examples of each answer, or merge rare answers",
    )
