"""Rule sets by provider. Built-ins and guests come through the same door: the entry-point group `finetuner.rules`."""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from typing import Final

import attrs

from finetuner._core.types import JsonObject
from finetuner.data.checks.quick import QuickLook
from finetuner.data.problems import Problem
from finetuner.errors import UnknownNameError

GROUP: Final = "finetuner.rules"
"""Each entry point is named like its provider and is a `rules(model, on) -> RuleSet`."""

RecordRule = Callable[[JsonObject], Iterator[Problem]]
"""Finds all problems of a raw record, whatever it holds; never raises."""


@attrs.frozen(kw_only=True)
class RuleSet:
    """What a provider takes, for a model and a day.

    Attributes:
        provider: The provider's name.
        format: Wire format of its supervised data, a name of `finetuner.data.formats`.
        check_record: Problems of one line in that format.
        preference_format: Wire format of its preference pairs, None where it takes none.
        check_preference: Problems of one line in that format.
        model: The base model, None where any is meant.
        check_reinforcement: Problems of one line of reinforcement data, in `format`; None where it takes none.
        quick: Recognizes lines in `format` in which `check_record` finds nothing; None where nothing is so quick.
        quick_own: The same for lines in the format `finetuner`, where that is `format` with metadata.
        methods: Ways in which the model can be tuned; None where that isn't known.
        min_examples: Fewer are an error.
        recommended_examples: Fewer are a warning.
        max_examples: More are an error.
        max_reinforcement_examples: The same for reinforcement.
        max_image_examples: More examples with images are an error.
        max_tokens_per_example: Longer examples are cut from the end: a warning.
        max_file_bytes: Larger files are an error.
        findings: What there is to say about the provider and the model on that day, whatever the data.
    """

    provider: str
    format: str
    check_record: RecordRule
    preference_format: str | None = None
    check_preference: RecordRule | None = None
    check_reinforcement: RecordRule | None = None
    quick: QuickLook | None = None
    quick_own: QuickLook | None = None
    model: str | None = None
    methods: tuple[str, ...] | None = None
    min_examples: int | None = None
    recommended_examples: int | None = None
    max_examples: int | None = None
    max_reinforcement_examples: int | None = None
    max_image_examples: int | None = None
    max_tokens_per_example: int | None = None
    max_file_bytes: int | None = None
    findings: tuple[Problem, ...] = ()


def rules_for(provider: str, model: str | None = None, on: date | None = None) -> RuleSet:
    """The rules of a provider.

    Args:
        provider: Its name, such as `openai`.
        model: A base model, with or without `provider:` before it; None for any.
        on: The day on which the data would be used; today (UTC) by default.

    Raises:
        UnknownNameError: No installed package brings rules of that name; the message lists the known ones.
    """
    day = on or datetime.now(UTC).date()
    for point in _points(tuple(sys.path)):
        if point.name == provider:
            make: Callable[[str | None, date], RuleSet] = point.load()
            return make(model.removeprefix(f"{provider}:") if model else None, day)
    raise UnknownNameError(f"no provider {provider!r} with rules for data; known: {', '.join(known())}")


def known() -> tuple[str, ...]:
    """Names of all providers that have rules, sorted."""
    return tuple(sorted({point.name for point in _points(tuple(sys.path))}))


@lru_cache(maxsize=8)
def _points(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """The installed rules; finding them takes as long as checking a thousand lines."""
    del path  # where they were looked for: `sys.path`, on which they depend
    return tuple(entry_points(group=GROUP))
