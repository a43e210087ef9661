"""The retirement watch: until when base, tuned and rollback models answer, and how to move on before that.

A tuned model retires with its base. The dates are the catalog's, with their source and the day on which they were true.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Literal

import attrs

from finetuner.providers.catalog import BaseModel, load_catalog
from finetuner.providers.reference import ModelReference

Urgency = Literal["retired", "soon", "later", "none announced", "not in the catalog"]

SOON_DAYS = 90
"""A retraining with its evaluation and ramp fits into that."""

_NOTHING: Mapping[str, str] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class Retirement:
    """Until when a model answers.

    Attributes:
        role: What it is here: `base`, `tuned` or `rollback`.
        model: `provider:model`.
        retires: Last day of service; None where none is announced or the catalog doesn't know the model.
        days_left: Until then, negative afterwards; None likewise.
        urgency: `retired`, `soon` (90 days or fewer), `later`, `none announced` or `not in the catalog`.
        source: Where the date comes from, with the day on which it was true.
        command: What to run to move on; empty where nothing is urgent.
    """

    role: str
    model: str
    retires: date | None
    days_left: int | None
    urgency: Urgency
    source: str
    command: str

    @property
    def urgent(self) -> bool:
        """Whether to act now."""
        return self.urgency in {"retired", "soon"}

    def __str__(self) -> str:
        """One line for people."""
        when = f"{self.retires}, {self.days_left} days left" if self.retires is not None else self.urgency
        return f"{self.role}: {self.model}: {when}{f'; run: {self.command}' if self.command else ''}"


def retirements(
    models: Mapping[str, str],
    *,
    bases: Mapping[str, str] = _NOTHING,
    job: str | None = None,
    on: date | None = None,
    soon_days: int = SOON_DAYS,
) -> tuple[Retirement, ...]:
    """Until when models answer, the most urgent first.

    Args:
        models: Role to `provider:model`.
        bases: Tuned model to the base that it retires with, where its name doesn't tell.
        job: Id of the training to move, for the command.
        on: The day from which days are counted; today in UTC by default.
        soon_days: How many days left are urgent.
    """
    day = on or datetime.now(UTC).date()
    found = [
        _retirement(role, model, _entry(model, bases.get(model)), day, soon_days) for role, model in models.items()
    ]
    told = [attrs.evolve(each, command=_command(each, job, day)) for each in found]
    return tuple(sorted(told, key=lambda each: (each.days_left is None, each.days_left or 0)))


def _retirement(role: str, model: str, entry: BaseModel | None, day: date, soon_days: int) -> Retirement:
    retires = None if entry is None else entry.retires
    days_left = None if retires is None else (retires - day).days
    return Retirement(
        role=role,
        model=model,
        retires=retires,
        days_left=days_left,
        urgency=_urgency(entry, days_left, soon_days),
        source="" if entry is None else f"{entry.source} ({entry.as_of})" if entry.as_of else entry.source,
        command="",
    )


def _entry(model: str, base: str | None) -> BaseModel | None:
    reference = ModelReference.parse(base or model)
    return load_catalog(reference.provider).find(reference.model)


def _urgency(entry: BaseModel | None, days_left: int | None, soon_days: int) -> Urgency:
    if entry is None:
        return "not in the catalog"
    if days_left is None:
        return "none announced"
    if days_left < 0:
        return "retired"
    return "soon" if days_left <= soon_days else "later"


def _command(retirement: Retirement, job: str | None, day: date) -> str:
    """The same data on the base of the same provider that lives longest; else the list to choose from."""
    if not retirement.urgent:
        return ""
    provider = ModelReference.parse(retirement.model).provider
    tunable = load_catalog(provider).tunable(day)
    later = [entry for entry in tunable if entry.retires is None or entry.retires > (retirement.retires or day)]
    if job is None or not later:
        return "fine-tuner-cc models"
    longest = max(later, key=lambda entry: entry.retires or date.max)
    return f"fine-tuner-cc retarget {job} --to {provider} --model {longest.name}"
