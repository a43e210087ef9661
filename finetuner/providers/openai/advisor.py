"""What the catalog says before anything is sent: whether jobs on a base are still taken, and where else to go."""

from datetime import UTC, date, datetime

import attrs

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner.data.ports import Examples
from finetuner.providers import registry
from finetuner.providers.catalog import BaseModel, Catalog
from finetuner.providers.openai.failures import NAME
from finetuner.providers.ports import Finding


@attrs.frozen
class OpenAIAdvisor:
    """The `Advisor` of a service: by dates, before an upload is paid with time."""

    catalog: Catalog
    clock: Clock = attrs.field(default=SYSTEM_CLOCK, repr=False)

    def advise(self, model: str, training: Examples, method: str) -> tuple[Finding, ...]:  # noqa: ARG002  # dates don't depend on data
        """Errors where the base takes no jobs today, or none by this method; a warning where it retires soon."""
        base = self.catalog.find(model)
        today = datetime.fromtimestamp(self.clock.now(), UTC).date()
        return () if base is None else findings(self.catalog, base, method, today)


def findings(catalog: Catalog, base: BaseModel, method: str, today: date) -> tuple[Finding, ...]:
    """What a job on this base, by this method, on this day meets."""
    if base.tunable(today):
        if method not in _ways(base):
            message = f"{base.name} can't be trained by {method!r}, only by {', '.join(base.methods)}"
            return (
                Finding(severity="error", code="method_not_available", message=message, fix="choose another method"),
            )
        if base.retires is None:
            return ()
        message = f"{base.name} and the models tuned from it stop answering on {base.retires} ({base.source})"
        return (
            Finding(severity="warning", code="base_retires", message=message, fix="plan the training of a successor"),
        )
    if base.retires is not None and base.retires < today:
        code, message = "base_retired", f"{base.name} retired on {base.retires} ({base.source})"
    elif base.training_ends is not None:
        code, message = "training_ended", f"jobs on {base.name} were taken until {base.training_ends} ({base.source})"
    else:
        code, message = "not_tunable", f"{base.name} answers only; it can't be tuned"
    others = ", ".join(model.name for model in catalog.tunable(today))
    fix = f"choose one of {others}" if others else elsewhere()
    return (Finding(severity="error", code=code, message=message, fix=fix),)


def alternatives(catalog: Catalog) -> str:
    """What to do where an organization can't train: the dates, and other providers."""
    ends = sorted({model.training_ends for model in catalog.models if model.training_ends is not None})
    dates = f"Jobs end for everyone after {ends[-1]}. " if ends else ""
    notes = "".join(f"{note} " for note in catalog.notes[:1])
    return f"{notes}{dates}{elsewhere().capitalize()}; the same training data serves there."


def elsewhere() -> str:
    """Other providers that are installed here."""
    others = [name for name in registry.names() if name != NAME]
    return f"train with another provider ({', '.join(others)})" if others else "train with another provider"


def _ways(base: BaseModel) -> tuple[str, ...]:
    return (*base.methods, "preference") if "dpo" in base.methods else base.methods
