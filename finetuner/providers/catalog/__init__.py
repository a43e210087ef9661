"""Dated facts about providers: which models can be tuned, their limits, prices and retirement dates.

The facts are TOML files beside this module, one for each provider, each entry with its source and the date on which it
was true. A user's own file (`FINETUNER_CATALOG`, a folder of `<provider>.toml`) is laid over them model by model.
"""

import os
import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from importlib import resources
from pathlib import Path
from types import MappingProxyType

import attrs

from finetuner._core.types import JsonObject
from finetuner.errors import UnknownNameError, UsageError

_ENVIRONMENT = "FINETUNER_CATALOG"
_NO_OPTIONS: Mapping[str, object] = MappingProxyType({})


@attrs.frozen(kw_only=True)
class Prices:
    """USD per 1,000,000 tokens; None where unknown.

    Attributes:
        training: Training tokens (tokens in the file times epochs).
        input: Prompt tokens of the tuned model.
        cached_input: Prompt tokens found in the provider's cache.
        output: Completion tokens of the tuned model.
        batch_input: Prompt tokens through the batch interface.
        batch_output: Completion tokens through the batch interface.
    """

    training: float | None = None
    input: float | None = None
    cached_input: float | None = None
    output: float | None = None
    batch_input: float | None = None
    batch_output: float | None = None


@attrs.frozen(kw_only=True)
class Limits:
    """What a provider takes; None where unknown or unlimited.

    Attributes:
        min_examples: Fewest training examples.
        max_examples: Most training examples.
        max_tokens_per_example: Longer examples are cut or dropped.
        max_file_bytes: Largest training file.
        max_validation_examples: Most validation examples.
        max_epochs: Most epochs.
        context_tokens: Longest prompt and answer at inference.
    """

    min_examples: int | None = None
    max_examples: int | None = None
    max_tokens_per_example: int | None = None
    max_file_bytes: int | None = None
    max_validation_examples: int | None = None
    max_epochs: int | None = None
    context_tokens: int | None = None


@attrs.frozen(kw_only=True)
class BaseModel:
    """A model in the catalog.

    Attributes:
        id: `provider:model`.
        methods: Ways in which it can be tuned; empty when it only answers.
        limits: See `Limits`.
        prices: See `Prices`.
        retires: Last day of service, None where none is announced.
        training_ends: Last day on which jobs are taken, None where none is announced.
        uncertain: Whether sources contradict each other about these dates: after them a job is warned about, for the
            service knows better, and not refused.
        locations: Where it can be tuned, for providers with regions.
        description: One line.
        source: Where the facts come from.
        as_of: The day on which they were true.
        options: What only this provider knows, such as the size of a local model.
    """

    id: str
    methods: tuple[str, ...] = ()
    limits: Limits = attrs.field(factory=Limits)
    prices: Prices = attrs.field(factory=Prices)
    retires: date | None = None
    training_ends: date | None = None
    uncertain: bool = False
    locations: tuple[str, ...] = ()
    description: str = ""
    source: str = ""
    as_of: date | None = None
    options: Mapping[str, object] = attrs.field(default=_NO_OPTIONS, repr=False)

    @property
    def name(self) -> str:
        """The provider's own name of the model."""
        return self.id.partition(":")[2]

    def tunable(self, on: date) -> bool:
        """Whether jobs on it are taken on that day, as far as the catalog knows."""
        last = min((day for day in (self.retires, self.training_ends) if day is not None), default=None)
        return bool(self.methods) and (last is None or on <= last)


@attrs.frozen(kw_only=True)
class Catalog:
    """All that is known about one provider's models.

    Attributes:
        provider: The provider's name.
        models: In the file's order.
        notes: Facts about the provider as a whole, with their dates.
        others: What holds for a model that isn't listed, where the provider takes any.
    """

    provider: str
    models: tuple[BaseModel, ...] = ()
    notes: tuple[str, ...] = ()
    others: BaseModel | None = attrs.field(default=None, repr=False)

    def tunable(self, on: date | None = None) -> tuple[BaseModel, ...]:
        """Base models that take jobs on a day (today in UTC by default)."""
        day = on or datetime.now(UTC).date()
        return tuple(model for model in self.models if model.tunable(day))

    def without_dates(self) -> "Catalog":
        """The same models, none of which retires: the facts of a server that isn't the provider's own."""
        undated = (attrs.evolve(model, retires=None, training_ends=None) for model in self.models)
        return attrs.evolve(self, models=tuple(undated))

    def find(self, model: str) -> BaseModel | None:
        """The entry for a model's name, a tuned model's base included; None when the catalog doesn't know it."""
        name = base_name(model.removeprefix(f"{self.provider}:"))
        listed = next((entry for entry in self.models if entry.name == name), None)
        if listed is None and self.others is not None:
            return attrs.evolve(self.others, id=f"{self.provider}:{name}")
        return listed

    def get(self, model: str) -> BaseModel:
        """Like `find`, but a model that isn't there is an error.

        Raises:
            UnknownNameError: With the names that are known.
        """
        found = self.find(model)
        if found is None:
            known = ", ".join(entry.name for entry in self.models) or "none"
            raise UnknownNameError(f"{self.provider} has no model {model!r} in the catalog; known: {known}")
        return found


def base_name(model: str) -> str:
    """The base of a tuned model's name: field 1 of `ft:<base>:<org>:<suffix>:<id>`; other names as they are."""
    fields = model.split(":")
    return fields[1] if fields[0] == "ft" and len(fields) > 1 else model


def load_catalog(provider: str) -> Catalog:
    """The catalog of a provider: the file shipped here, under the user's own.

    Raises:
        UsageError: A file isn't valid TOML or an entry has wrong fields; the message names the file.
    """
    shipped = resources.files(__name__).joinpath(f"{provider}.toml")
    catalog = Catalog(provider=provider)
    if shipped.is_file():
        catalog = parse_catalog(provider, shipped.read_text("utf-8"), origin=f"{provider}.toml")
    folder = os.environ.get(_ENVIRONMENT)
    own = Path(folder) / f"{provider}.toml" if folder else None
    if own is not None and own.is_file():
        catalog = _overlay(catalog, parse_catalog(provider, own.read_text("utf-8"), origin=str(own)))
    return catalog


def parse_catalog(provider: str, text: str, *, origin: str) -> Catalog:
    """The catalog that TOML text describes.

    Raises:
        UsageError: The text isn't valid TOML or an entry has wrong fields.
    """
    try:
        document = tomllib.loads(text)
        models = tuple(_model(provider, entry) for entry in document.get("models", []))
        others = _model(provider, {"id": ""} | document["others"]) if "others" in document else None
    except (tomllib.TOMLDecodeError, TypeError, KeyError) as error:
        raise UsageError(f"catalog file {origin}: {error}") from error
    return Catalog(provider=provider, models=models, notes=tuple(document.get("notes", ())), others=others)


def _model(provider: str, entry: JsonObject) -> BaseModel:
    values = dict(entry)
    identifier = f"{provider}:{values.pop('id')}"
    return BaseModel(
        id=identifier,
        methods=tuple(values.pop("methods", ())),
        locations=tuple(values.pop("locations", ())),
        limits=Limits(**values.pop("limits", {})),
        prices=Prices(**values.pop("prices", {})),
        **values,
    )


def _overlay(under: Catalog, over: Catalog) -> Catalog:
    replaced = {model.id: model for model in over.models}
    kept = tuple(replaced.pop(model.id, model) for model in under.models)
    return attrs.evolve(
        under,
        models=kept + tuple(replaced.values()),
        notes=under.notes + over.notes,
        others=over.others or under.others,
    )
