"""What is known before anything is sent: from the catalog's dates, and from what the service itself tells."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Final
from urllib.parse import quote

import attrs

from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner._core.types import Json
from finetuner.data.ports import Examples
from finetuner.data.shapes import is_list, is_object
from finetuner.errors import TrainingNotAvailableError
from finetuner.providers import registry
from finetuner.providers.catalog import BaseModel, Catalog
from finetuner.providers.openai.client import Client
from finetuner.providers.openai.failures import NAME, TRAINING_NOT_AVAILABLE
from finetuner.providers.ports import Finding

_GLANCE: Final = 10.0
_SOON_DAYS: Final = 180


@attrs.frozen
class OpenAIAdvisor:
    """The `Advisor` of a service: by dates, and by two short questions that cost nothing."""

    client: Client
    catalog: Catalog
    clock: Clock = attrs.field(default=SYSTEM_CLOCK, repr=False)

    def advise(self, model: str, training: Examples, method: str) -> tuple[Finding, ...]:  # noqa: ARG002  # dates don't depend on data
        """Errors where the base takes no jobs today, or none by this method; warnings where it retires soon.

        Raises:
            TrainingNotAvailableError: The service says that this organization, or nobody, can tune the model any more.
        """
        today = datetime.fromtimestamp(self.clock.now(), UTC).date()
        base = self.catalog.find(model)
        known = () if base is None else findings(self.catalog, base, method, today)
        if any(finding.severity == "error" for finding in known):
            return known
        name = model if base is None else base.name
        return (*known, *self._announced(name, base, today), *self._limits(name))

    def current_catalog(self) -> Catalog:
        """The catalog with the dates that the service announces now, which win over those of the file."""
        listed = self.client.glance("/models", _GLANCE)
        dates = _shutdown_dates(listed)
        models = (attrs.evolve(model, retires=dates.get(model.name, model.retires)) for model in self.catalog.models)
        return attrs.evolve(self.catalog, models=tuple(models))

    def _announced(self, name: str, base: BaseModel | None, today: date) -> tuple[Finding, ...]:
        """The service's own date wins over the catalog's; that of another server is told, but it may go on."""
        found = _day(self.client.glance(f"/models/{quote(name, safe=':')}", _GLANCE))
        if found is None or (base is not None and base.retires == found):
            return ()
        title = self.client.flavour.title
        if found <= today and not self.client.flavour.elsewhere(self.client.base_url):
            message = f"{title} shut {name} down on {found}, with the models tuned from it; {elsewhere()}"
            raise TrainingNotAvailableError(message, provider=self.client.flavour.name, code="model_shut_down")
        if (found - today).days > _SOON_DAYS:
            return ()
        message = f"{title} announces {found} as the last day of {name}, and of the models tuned from it"
        return (Finding(severity="warning", code="shutdown_announced", message=message, fix="plan for a successor"),)

    def _limits(self, name: str) -> tuple[Finding, ...]:
        """Whether the organization may have jobs on the model, where the service tells."""
        if not self.client.flavour.limits:
            return ()
        answer = self.client.glance("/fine_tuning/model_limits", _GLANCE)
        limits: Json = answer.get(name) if is_object(answer) else None
        if not is_object(limits):
            return ()
        title = self.client.flavour.title
        if limits.get("max_total_jobs") == 0:
            message = f"{title} takes no jobs on {name} from this organization. {alternatives(self.catalog)}"
            raise TrainingNotAvailableError(message, provider=self.client.flavour.name, code=TRAINING_NOT_AVAILABLE)
        active, most = limits.get("active_jobs"), limits.get("max_concurrent_jobs")
        if isinstance(active, int) and isinstance(most, int) and active >= most:
            message = f"{active} jobs on {name} are active, and {title} runs {most} at once: this one would wait"
            return (Finding(severity="warning", code="jobs_queue", message=message, fix="wait until one has ended"),)
        return ()


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


def _shutdown_dates(listed: Json) -> Mapping[str, date]:
    items: Json = listed.get("data") if is_object(listed) else None
    days = {str(item.get("id")): _day(item) for item in items if is_object(item)} if is_list(items) else {}
    return {name: day for name, day in days.items() if day is not None}


def _day(model: Json) -> date | None:
    found: Json = model.get("shutdown_date") if is_object(model) else None
    try:
        return date.fromisoformat(found) if isinstance(found, str) else None
    except ValueError:
        return None
