"""The same training elsewhere: what of the data and the settings comes along, what doesn't, and what it costs there."""

from collections import Counter
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import attrs

from finetuner._core.types import Json
from finetuner.data import formats
from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, Message
from finetuner.errors import DataFormatError, InvalidDataError, UsageError
from finetuner.providers.ports import Finding, JobSnapshot, Provider
from finetuner.records.journal import Journal
from finetuner.training.creation import format_for, local_copy
from finetuner.training.estimate import CostEstimate
from finetuner.training.planning import Data, JobOptions, Plan, dataset_of
from finetuner.training.spec import PAIRS, TrainingSpec

_OWN_SCALE = ("batch_size", "learning_rate_multiplier", "beta", "adapter_size")
_KEPT_REFUSALS = 100
_NOTHING: Mapping[str, int] = MappingProxyType({})
_SETTINGS = ("method", "epochs", "batch_size", "learning_rate_multiplier", "seed", "suffix", "hyperparameters")


@attrs.frozen(kw_only=True)
class Origin:
    """The job that is moved, as far as a move needs it.

    Attributes:
        provider: Its provider's name.
        snapshot: The job.
        hyperparameters: What was asked for; what the provider chose by itself is not to be moved.
        training_fingerprint: Of its training data, where known.
        validation_fingerprint: Of its validation data, where known.
    """

    provider: str
    snapshot: JobSnapshot
    hyperparameters: Mapping[str, Json]
    training_fingerprint: str | None
    validation_fingerprint: str | None


@attrs.frozen(kw_only=True)
class Conversion:
    """What became of the examples.

    Attributes:
        format: The wire format that they are sent in.
        examples: How many there are.
        exact: How many come back from that format as they were.
        changed: How many differ afterwards, by what differs, such as `role`.
        refused: Why the format can't hold some, with file and line; at most the first 100.
        n_refused: How many it can't hold.
    """

    format: str
    examples: int
    exact: int
    changed: Mapping[str, int] = _NOTHING
    refused: tuple[str, ...] = ()
    n_refused: int = 0

    def __str__(self) -> str:
        """`1,000 examples as vertex: 998 exactly, 2 changed in role`."""
        parts = [f"{self.exact:,} exactly", *(f"{count:,} changed in {what}" for what, count in self.changed.items())]
        if self.n_refused:
            parts.append(f"{self.n_refused:,} not at all ({self.refused[0]})")
        return f"{self.examples:,} examples as {self.format}: {', '.join(parts)}"


@attrs.frozen(kw_only=True)
class Move:
    """A job on its way to another provider or base model.

    Attributes:
        job_id: The job that is moved.
        source: Its base model, `provider:model`.
        target: The new base model.
        conversion: What became of the examples.
        kept: Settings that come along.
        dropped: Settings that don't, with the reason.
        cost: What the new job costs; None where the catalog doesn't know.
        findings: What preflight says about the new job.
    """

    job_id: str
    source: str
    target: str
    conversion: Conversion
    kept: Mapping[str, Json]
    dropped: tuple[str, ...] = ()
    cost: CostEstimate | None = None
    findings: tuple[Finding, ...] = ()

    def __str__(self) -> str:
        """What comes along, what doesn't, and what it costs."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"Move: {self.job_id} from {self.source} to {self.target}"
        yield f"Data: {self.conversion}"
        settings = ", ".join(f"{name} {value}" for name, value in self.kept.items()) or "none"
        yield f"Settings: {settings}"
        yield from (f"Not moved: {what}" for what in self.dropped)
        yield from (f"{finding.severity.capitalize()}: {finding.message}" for finding in self.findings)
        if self.cost is not None:
            yield str(self.cost)


def plan_move(
    origin: Origin, target: Provider, *, model: str, journal: Journal, training: Data | None, options: JobOptions
) -> tuple[Move, Plan]:
    """What a move changes, and the plan of the new job. Nothing is sent.

    Args:
        origin: The job that is moved.
        target: Where to.
        model: The new base model.
        journal: Knows the data.
        training: The data, where this workspace has no copy of it.
        options: As in `Job.create`; what isn't given comes from the old job.

    Raises:
        UsageError: The data isn't here, or the target doesn't train on such data.
        InvalidDataError: The target's format can't hold some examples.
    """
    source = origin.snapshot
    model = model.removeprefix(f"{target.name}:")
    data = dataset_of(training) if training is not None else _copy(origin.training_fingerprint, journal)
    if data is None:
        message = (
            f"the training data of {source.id} isn't in this workspace; give training= (on the command line: --data)"
        )
        raise UsageError(message)
    given = options.get("validation")
    validation = dataset_of(given) if given is not None else _copy(origin.validation_fingerprint, journal)
    overrides = {name: value for name, value in options.items() if name in _SETTINGS and value is not None}
    asked = attrs.evolve(source, hyperparameters=origin.hyperparameters)
    spec, dropped = moved_spec(asked, target, model, overrides)
    if validation is None and source.validation_file is not None:
        dropped += ("validation data (this workspace has no copy of it; give validation=)",)
    conversion = converted(data, format_for(data, target))
    if conversion.n_refused:
        raise InvalidDataError(
            f"nothing was sent: {conversion.n_refused:,} of {conversion.examples:,} examples can't be written as "
            f"{conversion.format}; {conversion.refused[0]}; leave them out or change them, and give training=",
            report=conversion,
        )
    plan = Plan.make(
        data,
        spec,
        connection=target,
        journal=journal,
        validation=validation,
        max_usd=options.get("max_usd"),
        priced=True,
    )
    kept = {"method": spec.method, "epochs": spec.epochs, "seed": spec.seed, "suffix": spec.suffix}
    move = Move(
        job_id=source.id,
        source=f"{origin.provider}:{source.model}",
        target=f"{target.name}:{model}",
        conversion=conversion,
        kept={name: value for name, value in kept.items() if value is not None},
        dropped=dropped,
        cost=plan.cost,
        findings=plan.findings,
    )
    return move, plan


def converted(data: Dataset, format: str) -> Conversion:
    """What becomes of examples in a wire format: each is written and read again."""
    wire = formats.get(format)
    changed: Counter[str] = Counter()
    refused: list[str] = []
    exact = n_refused = 0
    for row, example in enumerate(data):
        try:
            back = wire.from_record(wire.to_record(example))
        except DataFormatError as error:
            n_refused += 1
            if len(refused) < _KEPT_REFUSALS:
                refused.append(f"line {data.line(row)}: {error}")
            continue
        lost = sorted(set(_lost(example, back)))
        exact += not lost
        changed.update(lost)
    return Conversion(
        format=format,
        examples=len(data),
        exact=exact,
        changed=dict(changed),
        refused=tuple(refused),
        n_refused=n_refused,
    )


def moved_spec(
    source: JobSnapshot, target: Provider, model: str, overrides: Mapping[str, Json]
) -> tuple[TrainingSpec, tuple[str, ...]]:
    """The same specification for another model, and what of it doesn't come along.

    Epochs, method, seed and suffix mean the same everywhere. Batch size, learning rate and the like are on each
    provider's own scale: they are left to the new provider unless they are given.

    Args:
        source: The job that is moved.
        target: Where to.
        model: The new base model.
        overrides: Settings that are given anew, by their names in `TrainingSpec`.
    """
    hyperparameters = dict(source.hyperparameters)
    entry = target.catalog.find(model)
    method, dropped = source.method, list[str]()
    if method in PAIRS and entry is not None:
        method = next((name for name in PAIRS if name in entry.methods), method)
    for name in _OWN_SCALE:
        value = hyperparameters.get(name)
        if value not in (None, "auto") and name not in overrides:
            dropped.append(f"{name} {value} (each provider has a scale of its own; give it anew if it matters)")
    epochs = hyperparameters.get("epochs")
    values: dict[str, Json] = {
        "method": method,
        "epochs": epochs if isinstance(epochs, int) and not isinstance(epochs, bool) else None,
        "seed": source.seed,
        "suffix": source.suffix,
    }
    given = {name: value for name, value in overrides.items() if value is not None}
    return TrainingSpec(model=model, **(values | given)), tuple(dropped)


def _copy(fingerprint: str | None, journal: Journal) -> Dataset | None:
    return None if fingerprint is None else local_copy(fingerprint, journal)


def _lost(before: Example, after: Example) -> Iterator[str]:
    """What of an example differs after it was written and read."""
    if before.content_hash == after.content_hash:
        return
    names = ("tools", "parallel_tool_calls")
    yield from (name.replace("_", " ") for name in names if getattr(before, name) != getattr(after, name))
    one, other = _turns(before), _turns(after)
    if len(one) != len(other):
        yield "some turns"
        return
    for first, second in zip(one, other, strict=True):
        yield from (
            field.name.replace("_", " ")
            for field in attrs.fields(Message)
            if getattr(first, field.name) != getattr(second, field.name)
        )


def _turns(example: Example) -> tuple[Message, ...]:
    return (*example.messages, *(answer for answer in (example.preferred, example.rejected) if answer is not None))
