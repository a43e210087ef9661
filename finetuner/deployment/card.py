"""The model card: what a tuned model is, what it was made from, how it was measured, who let it out."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import attrs

from finetuner import __version__
from finetuner._core import codec
from finetuner._core.types import Json
from finetuner._core.workspace import Workspace
from finetuner.data.dataset import Dataset
from finetuner.deployment.front_matter import front_matter
from finetuner.deployment.lineage import trace
from finetuner.deployment.links import EvaluationLink, Lineage, Measure, RolloutLink
from finetuner.deployment.retirement import Retirement, retirements
from finetuner.errors import UsageError
from finetuner.training.job import Job

_TASKS = {"classification": "text-classification", "generation": "text-generation"}
_UNKNOWN = "not recorded"


@attrs.frozen(kw_only=True)
class Card:
    """A model card. `str(card)` is Markdown with the front matter that Hugging Face reads.

    Attributes:
        lineage: The chain that it tells.
        retirements: Until when the models behind it answer.
        license: SPDX id of the tuned model's licence; None where nobody said.
        created_at: Seconds since the epoch.
    """

    lineage: Lineage
    retirements: tuple[Retirement, ...]
    license: str | None
    created_at: float

    @property
    def model(self) -> str:
        """`provider:model` that the card is about; the job's id while there is none."""
        return self.lineage.job.tuned or self.lineage.job.id

    @property
    def gaps(self) -> tuple[str, ...]:
        """What a reader would look for and the journal doesn't hold."""
        return tuple(_gaps(self))

    @property
    def metadata(self) -> dict[str, Json]:
        """The front matter's fields, with the names of Hugging Face's model cards."""
        return _metadata(self)

    def to_json(self) -> str:
        """The whole card as JSON text."""
        body = {
            "model": self.model,
            "license": self.license,
            "created_at": self.created_at,
            "metadata": self.metadata,
            "lineage": codec.unstructure(self.lineage),
            "retirements": [_retirement_json(each) for each in self.retirements],
            "gaps": list(self.gaps),
        }
        return codec.encode(body).decode()

    def write(self, path: str | Path) -> Path:
        """Write the card; `.json` as JSON, anything else as Markdown. Returns the path."""
        target = Path(path)
        text = self.to_json() if target.suffix == ".json" else str(self)
        codec.write_atomically(target, text.encode())
        return target

    def __str__(self) -> str:
        """Markdown with front matter."""
        return front_matter(self.metadata) + "\n" + "\n".join(_body(self)) + "\n"


def card(
    job: Job | str,
    *,
    data: Dataset | None = None,
    license: str | None = None,
    workspace: str | Path | Workspace | None = None,
    on: date | None = None,
) -> Card:
    """The model card of a job's tuned model, from the journal.

    Args:
        job: A job, or its id.
        data: The training data itself, whose licence and redaction the card then tells.
        license: SPDX id of the tuned model's licence.
        workspace: Folder or database URL, for an id.
        on: The day from which days left are counted; today in UTC by default.

    Raises:
        UnknownNameError: Nobody knows the job.
        UsageError: It wasn't trained on this data.
        JournalError: The journal can't be read, or somebody edited a rollout's audit.
    """
    known = Job.get(job, workspace=workspace) if isinstance(job, str) else job
    lineage = trace(known) if data is None else _with_data(trace(known), data)
    named = {"base": lineage.job.base, "tuned": lineage.job.tuned}
    named |= {f"rollback of {rollout.name}": rollout.base for rollout in lineage.rollouts}
    return Card(
        lineage=lineage,
        retirements=retirements(
            {role: model for role, model in named.items() if model is not None},
            bases={lineage.job.tuned: lineage.job.base} if lineage.job.tuned else {},
            job=known.id,
            on=on,
        ),
        license=license,
        created_at=datetime.now(UTC).timestamp(),
    )


def _with_data(lineage: Lineage, data: Dataset) -> Lineage:
    train, *others = lineage.data
    if train.fingerprint != data.fingerprint:
        raise UsageError(f"job {lineage.job.id} was trained on other data than {data.source}")
    steps = tuple(step.verb for step in data.lineage.steps)
    told = attrs.evolve(train, license=data.lineage.license, steps=steps, redacted="redact" in steps)
    return attrs.evolve(lineage, data=(told, *others))


def _metadata(shown: Card) -> dict[str, Json]:
    job, data = shown.lineage.job, shown.lineage.data
    measured = [link for link in shown.lineage.evaluations if link.kind == "evaluation" and link.measures]
    task = measured[0].task if measured else ""
    return {
        "license": shown.license,
        "library_name": "finetuner",
        "base_model": job.base.partition(":")[2],
        "pipeline_tag": _TASKS.get(task),
        "tags": ["fine-tuned", job.method, job.provider],
        "datasets": [f"sha256-{link.fingerprint}" for link in data if link.fingerprint],
        "model-index": [{"name": _name(shown.model), "results": [_result(link) for link in measured]}]
        if measured
        else None,
    }


def _result(link: EvaluationLink) -> Json:
    return {
        "task": {"type": _TASKS.get(link.task, link.task)},
        "dataset": {"name": link.source or link.dataset, "type": f"sha256-{link.dataset}"},
        "metrics": [_metric(measure) for measure in link.measures],
    }


def _metric(measure: Measure) -> Json:
    name = f"{measure.name} [{measure.low:.4g}, {measure.high:.4g}], n={measure.n}"
    return {"type": measure.name, "value": measure.value, "name": name}


def _name(model: str) -> str:
    return model.partition(":")[2] or model


def _body(shown: Card) -> Iterator[str]:
    lineage = shown.lineage
    yield f"# {_text(_name(shown.model))}"
    yield ""
    yield f"{_text(lineage.job.base)}, fine-tuned ({lineage.job.method}) at {_text(lineage.job.provider)}."
    yield from _section(
        "Training data", _data_rows(lineage), ("part", "examples", "source", "licence", "steps", "fingerprint")
    )
    yield from _section("Training", _training_rows(shown), ("what", "value"))
    yield from _section(
        "Evaluation", _evaluation_rows(lineage), ("what", "on", "value (interval)", "n", "outcome", "day", "id")
    )
    for rollout in lineage.rollouts:
        yield from _rollout(rollout)
    yield from _section("Life", _life_rows(shown.retirements), ("model", "role", "last day", "days left"))
    if shown.gaps:
        yield from ("", "## Not recorded", "")
        yield from (f"- {gap}" for gap in shown.gaps)
    yield ""
    yield f"Written by finetuner {__version__} on {_day(shown.created_at)} from its journal."


def _section(title: str, rows: Sequence[Sequence[str]], head: Sequence[str]) -> Iterator[str]:
    if rows:
        yield from ("", f"## {title}", "")
        yield f"| {' | '.join(head)} |"
        yield f"|{'---|' * len(head)}"
        yield from (f"| {' | '.join(map(_text, row))} |" for row in rows)


def _data_rows(lineage: Lineage) -> list[tuple[str, ...]]:
    return [
        (
            link.role,
            _UNKNOWN if link.examples is None else f"{link.examples:,}",
            link.source or _UNKNOWN,
            link.license or _UNKNOWN,
            ", ".join(link.steps) or _UNKNOWN,
            link.fingerprint or _UNKNOWN,
        )
        for link in lineage.data
    ]


def _training_rows(shown: Card) -> list[tuple[str, str]]:
    job, checkpoint = shown.lineage.job, shown.lineage.checkpoint
    rows = [("job", job.id), ("status", job.status), ("created", _day(job.created_at))]
    rows += [(name, f"{value}") for name, value in sorted(job.hyperparameters.items())]
    rows += [("seed", f"{job.seed}")] if job.seed is not None else []
    rows += [("trained tokens", f"{job.trained_tokens:,}")] if job.trained_tokens else []
    rows += [("losses", f"{job.losses.shape}: {job.losses.reason}")] if job.losses else []
    if checkpoint is not None:
        rows.append(("checkpoint", f"step {checkpoint.step}, {checkpoint.model}: {checkpoint.reason}"))
    return rows


def _evaluation_rows(lineage: Lineage) -> list[tuple[str, ...]]:
    return [
        (
            measure.name,
            link.source or link.dataset[:12],
            f"{measure.value:.4f} ({measure.low:.4f} to {measure.high:.4f})",
            f"{measure.n:,}",
            link.outcome or link.kind,
            _day(link.finished_at),
            link.id[:12],
        )
        for link in lineage.evaluations
        for measure in link.measures
    ]


def _rollout(rollout: RolloutLink) -> Iterator[str]:
    rows = [
        (f"{decision.sequence}", _moment(decision.created_at), decision.kind, decision.summary, decision.hash[:12])
        for decision in rollout.decisions
    ]
    title = f"Rollout {rollout.name}: {rollout.status}, {rollout.share:.0%} of units"
    yield from _section(title, rows, ("entry", "when", "what", "numbers", "hash"))
    yield ""
    yield f"To take it back: `fine-tuner-cc rollout rollback {rollout.name}`; all units get {_text(rollout.base)}."


def _life_rows(found: Sequence[Retirement]) -> list[tuple[str, ...]]:
    return [
        (
            each.model,
            each.role,
            "none announced" if each.retires is None else each.retires.isoformat(),
            "" if each.days_left is None else f"{each.days_left}",
        )
        for each in found
    ]


def _gaps(shown: Card) -> Iterator[str]:
    lineage = shown.lineage
    if lineage.job.tuned is None:
        yield f"the job is {lineage.job.status}: it has no model yet"
    if shown.license is None:
        yield "licence: give license= (an SPDX id)"
    if any(link.fingerprint is None for link in lineage.data):
        yield "training data: the file was uploaded elsewhere"
    if lineage.data[0].redacted is None:
        yield "licence and redaction of the training data: give data="
    elif not lineage.data[0].redacted:
        yield "personal data: the training data wasn't redacted"
    if lineage.newest("evaluation") is None:
        yield "evaluation: no metric was measured, see `fine-tuner-cc evaluate`"
    if lineage.newest("comparison") is None:
        yield "comparison with the base model, see `fine-tuner-cc compare`"
    if lineage.newest("benchmark") is None:
        yield "regression gate, see `fine-tuner-cc benchmark`"
    if not lineage.rollouts:
        yield "rollout, see `fine-tuner-cc rollout start`"


def _retirement_json(found: Retirement) -> Json:
    return codec.unstructure(found) | {"retires": None if found.retires is None else found.retires.isoformat()}


def _text(value: str) -> str:
    """One line that is no markup: safe in a table's cell."""
    escaped = "".join(f"\\{sign}" if sign in "\\|`*[<>" else sign for sign in " ".join(value.split()))
    return escaped.replace("&", "&amp;")


def _day(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d}"


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
