"""From the catalog to the rules of a check: what all providers' `limits` modules share."""

from collections.abc import Iterator
from datetime import date
from typing import Final, Literal

from finetuner.data.checks.rules import RecordRule, RuleSet
from finetuner.data.problems import Problem
from finetuner.providers.catalog import BaseModel, Catalog, Limits

_SOON_DAYS: Final = 120
_RECOMMENDED_EXAMPLES: Final = 50


def base_rules(catalog: Catalog, model: str | None, on: date, *, format: str, check_record: RecordRule) -> RuleSet:
    """The rules that follow from the catalog; a provider adds its own with `attrs.evolve`.

    Args:
        catalog: What is known about the provider's models.
        model: A base model's name, None for any.
        on: The day on which a job would be created.
        format: Wire format of supervised data.
        check_record: Problems of one line in that format.
    """
    limits, entry = limits_for(catalog, model, on), catalog.find(model) if model else None
    return RuleSet(
        provider=catalog.provider,
        model=model,
        format=format,
        check_record=check_record,
        methods=entry.methods if entry is not None else None,
        min_examples=limits.min_examples,
        recommended_examples=_RECOMMENDED_EXAMPLES,
        max_examples=limits.max_examples,
        max_tokens_per_example=limits.max_tokens_per_example,
        max_file_bytes=limits.max_file_bytes,
        findings=findings(catalog, model, on),
    )


def limits_for(catalog: Catalog, model: str | None, on: date) -> Limits:
    """The limits of a model; without one (or an unknown one), those of the first model that can be tuned."""
    known = catalog.find(model) if model else None
    if known is not None:
        return known.limits
    candidates = catalog.tunable(on) or tuple(entry for entry in catalog.models if entry.methods)
    return candidates[0].limits if candidates else Limits()


def findings(catalog: Catalog, model: str | None, on: date) -> tuple[Problem, ...]:
    """What there is to say about training a model on a day, whatever the data."""
    entry = catalog.find(model) if model else None
    if entry is not None:
        return tuple(_about(catalog, entry, on))
    if model is not None:
        problem = Problem(
            code="unknown_model",
            severity="warning",
            message=f"the catalog doesn't know {model!r}; limits of other models were used",
            fix=_choose(catalog, on),
        )
        return (problem,)
    if catalog.tunable(on):
        return ()
    problem = Problem(
        code="no_tunable_model",
        severity="warning",
        message=f"{catalog.provider} has no model that can be tuned on {on}, as far as the catalog knows",
        fix="Train with another provider: fine-tuner-cc models",
    )
    return (problem,)


def _about(catalog: Catalog, entry: BaseModel, on: date) -> Iterator[Problem]:
    past: Literal["error", "warning"] = "warning" if entry.uncertain else "error"
    if entry.retires is not None and on >= entry.retires:
        yield Problem(
            code="model_retired",
            severity=past,
            message=f"{entry.name} retired on {entry.retires}, tuned models built on it included",
            fix=_choose(catalog, on),
        )
    elif not entry.methods:
        yield Problem(code="not_tunable", message=f"{entry.name} can't be tuned", fix=_choose(catalog, on))
    elif entry.training_ends is not None and on > entry.training_ends:
        yield Problem(
            code="training_closed",
            severity=past,
            message=f"{entry.name} has taken no training jobs since {entry.training_ends}",
            fix=_choose(catalog, on),
        )
    elif entry.retires is not None and (entry.retires - on).days <= _SOON_DAYS:
        yield Problem(
            code="model_retires_soon",
            severity="warning",
            message=f"{entry.name} retires on {entry.retires}, in {(entry.retires - on).days} days, "
            "and a model tuned on it with it",
            fix="Plan to train the same data on another model then: job.retarget(…)",
        )


def _choose(catalog: Catalog, on: date) -> str:
    names = ", ".join(entry.name for entry in catalog.tunable(on))
    if names:
        return f"Choose one that can be tuned on {on}: {names}"
    return f"{catalog.provider} has none that can be tuned on {on}; choose another provider: fine-tuner-cc models"
