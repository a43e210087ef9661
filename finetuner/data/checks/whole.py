"""What there is to say about a data set as a whole: how much there is, how it lies in its file, and the model."""

from collections.abc import Iterator
from typing import Final, Protocol

from finetuner.data.checks.rules import RuleSet
from finetuner.data.problems import Problem

_WORDS: Final = {"supervised": "chats", "preference": "preference pairs", "reinforcement": "reinforcement data"}
_NAMES: Final = {"preference": frozenset({"preference", "dpo"})}  # providers' names of a method


class Facts(Protocol):
    """What is asked about a data set."""

    @property
    def format(self) -> str | None:
        """Name of the format in which the rows are, None where they are in none."""
        ...

    @property
    def size(self) -> int | None:
        """Bytes of the file as it lies on the disk, None where it would have to be written first."""
        ...

    @property
    def blank_lines(self) -> int:
        """Empty lines in the file."""
        ...

    @property
    def marked(self) -> bool:
        """Whether the file begins with a byte order mark."""
        ...

    def __len__(self) -> int:
        """How many rows."""
        ...


def method_not_supported(rules: RuleSet, method: str) -> Problem:
    """The provider doesn't train so at all."""
    return Problem(
        code="pairs_not_supported" if method == "preference" else "method_not_supported",
        message=f"{rules.provider} doesn't train on {_WORDS[method]}",
        fix="Keep the preferred answers only, or choose another provider"
        if method == "preference"
        else "Choose another provider, or train on chats",
    )


def check(data: Facts, rules: RuleSet, method: str, format: str, *, written: int, images: int) -> Iterator[Problem]:
    """All problems of the data as a whole.

    Args:
        data: What was checked.
        rules: What the provider takes.
        method: For what.
        format: In which wire format.
        written: Bytes of the rows as lines, where they lie in no file.
        images: How many examples hold an image.
    """
    yield from _method(rules, method)
    yield from _amount(len(data), rules, method)
    if rules.max_image_examples is not None and images > rules.max_image_examples:
        yield Problem(
            code="too_many_image_examples",
            message=f"{rules.provider} takes at most {rules.max_image_examples:,} examples with images; "
            f"there {_are(images)}",
            fix="Sample them, or drop some images",
        )
    size = data.size if data.size is not None else written
    if rules.max_file_bytes is not None and size > rules.max_file_bytes:
        yield Problem(
            code="file_too_large",
            message=f"{size:,} bytes are more than the {rules.max_file_bytes:,} that {rules.provider} takes",
            fix="Sample or split the data",
        )
    yield from _layout(data, format)
    yield from rules.findings


def _method(rules: RuleSet, method: str) -> Iterator[Problem]:
    """Whether the model, where one is meant, can be tuned so."""
    if rules.methods and not _NAMES.get(method, {method}) & set(rules.methods):
        yield Problem(
            code="method_not_available",
            message=f"{rules.model} isn't tuned on {_WORDS[method]}; its methods are {', '.join(rules.methods)}",
            fix="Choose another model: fine-tuner-cc models",
        )


def _amount(n: int, rules: RuleSet, method: str) -> Iterator[Problem]:
    most = rules.max_reinforcement_examples if method == "reinforcement" else rules.max_examples
    if rules.min_examples is not None and n < rules.min_examples:
        yield Problem(
            code="insufficient_examples",
            message=f"{rules.provider} needs at least {rules.min_examples} examples; there {_are(n)}",
            fix=f"Add at least {rules.min_examples - n}; from 50 on a difference shows, 500 to 1,000 are best",
        )
    elif rules.recommended_examples is not None and n < rules.recommended_examples:
        yield Problem(
            code="few_examples",
            severity="warning",
            message=f"at least {rules.recommended_examples} examples are recommended; there {_are(n)}",
            fix="Add more; 500 to 1,000 are best",
        )
    if most is not None and n > most:
        yield Problem(
            code="too_many_examples",
            message=f"{rules.provider} takes at most {most:,} examples; there {_are(n)}",
            fix="Sample them: Dataset.sample",
        )


def _layout(data: Facts, format: str) -> Iterator[Problem]:
    if data.format not in (None, format, "finetuner"):
        yield Problem(
            code="other_format",
            severity="warning",
            message=f"the data is in the format {data.format}; it was checked as it would be converted to {format}",
            fix=f"Before you upload the file yourself: fine-tuner-cc convert FILE --to {format}",
        )
    if data.blank_lines:
        yield Problem(
            code="blank_lines",
            severity="warning",
            message=f"the file has {data.blank_lines:,} empty lines, which were skipped",
            fix="Write it again with Dataset.write",
        )
    if data.marked:
        yield Problem(
            code="byte_order_mark",
            severity="warning",
            message="the file begins with a byte order mark, which many readers take for a part of line 1",
            fix="Write it again with Dataset.write",
        )


def _are(n: int) -> str:
    return f"is {n:,}" if n == 1 else f"are {n:,}"
