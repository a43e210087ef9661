"""Commands of the first phase: data."""

from typing import TYPE_CHECKING, Annotated

import attrs
import typer

from finetuner.cli import names, output
from finetuner.cli.evidence import note
from finetuner.cli.options import AsJson, File, Format, Place, Seed, Written
from finetuner.cli.shaping import stratum

if TYPE_CHECKING:
    from finetuner.data.dataset import Dataset
    from finetuner.data.examples import Example
    from finetuner.evaluation.judge import Judge

_FLAGGED = "flagged_for_review.jsonl"


def extract(
    logs: Annotated[str, typer.Option(help="Folder, file or pattern of production logs.")],
    destination: Annotated[str, typer.Option("--output", help="Where to write.")] = "raw_data.jsonl",
    sample: Annotated[int | None, typer.Option(min=1, help="How many to keep; all by default.")] = None,
    *,
    stratify: Annotated[str | None, typer.Option(help="Keep the mix of class, or of a metadata key.")] = None,
    redact: Annotated[bool, typer.Option("--redact", help="Replace personal data and secrets on the way.")] = False,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Take the good requests and answers out of production logs."""
    from finetuner.data.dataset import extract as extracted

    found = extracted(logs, sample=sample, seed=seed, stratify=stratum(stratify), redact=redact)
    path = found.dataset.write(destination, format="finetuner")
    dropped = ", ".join(f"{name} {count:,}" for name, count in found.dropped.items()) or "none"
    output.advice(f"{found.read:,} requests read; left out: {dropped}; not sampled: {found.not_sampled:,}")
    output.result(f"{path} ({len(found.dataset):,} examples)", {"output": path, **found.counts}, as_json=as_json)


def convert(
    file: File,
    to: Annotated[str, typer.Option("--to", help="Format to write: openai, vertex, sharegpt, toon, json, ….")],
    destination: Written = None,
    *,
    instruction: Annotated[
        str | None, typer.Option(help="A system prompt for examples without one; auto names the labels.")
    ] = None,
    skip: Annotated[bool, typer.Option("--skip", help="Leave out rows that the format can't hold.")] = False,
    text: Annotated[str | None, typer.Option(help="For columns: the one of the text.")] = None,
    label: Annotated[str | None, typer.Option(help="For columns: the one of the label or answer.")] = None,
    format: Format = "auto",
    as_json: AsJson = False,
) -> None:
    """Write examples in another format, to a file or to standard output."""
    from finetuner.data.dataset import Dataset
    from finetuner.data.writing import text_of

    loaded = Dataset.load(file, format=format, text=text, label=label)
    data = loaded if instruction is None else loaded.instruct(None if instruction == "auto" else instruction)
    report = data.holds(to)
    if not report.ok and (len(report.rows) == len(data) or not skip):
        output.result(str(report), {"ok": False, **output.plain(report)}, as_json=as_json)
        raise typer.Exit(1)
    for issue in report.errors:
        output.advice(f"left out: {issue}")
    kept = data.convert(to, skip=True)
    _tell_lost_metadata(kept, to)
    if destination is None:
        written = text_of(kept, to)
        output.result(written, written.splitlines(), as_json=as_json)
        return
    path = kept.write(destination)
    value = {"output": path, "format": to, "examples": len(kept), "left_out": len(data) - len(kept)}
    output.result(f"{path} ({len(kept):,} examples, {to})", value, as_json=as_json)


def _tell_lost_metadata(data: "Dataset", format: str) -> None:
    if format in ("finetuner", "plain"):
        return
    keys = {key for example in data for key in example.metadata if not _is_answer(key, example)}
    if keys:
        output.advice(f'{format} has no place for metadata; left out: {", ".join(sorted(keys))} ("finetuner" keeps it)')


def _is_answer(key: str, example: "Example") -> bool:
    return key == "label" and example.metadata[key] == example.completion


def validate(
    file: File,
    provider: Annotated[str, typer.Option(help="For whom, such as openai.")] = "openai",
    model: Annotated[str | None, typer.Option(help="The base model; any by default.")] = None,
    fix: Annotated[str | None, typer.Option(help="Repair what can be repaired, and write the rest here.")] = None,
    format: Format = "auto",
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """List every problem that a provider would have with the data; exit status 1 when there are errors."""
    from finetuner.data.dataset import Dataset

    data = Dataset.load(file, format=format)
    report = data.check(provider, model)
    if fix is not None:
        plan = report.fix_plan()
        for step in str(plan).splitlines():
            output.advice(step)
        data = data.repair(plan)
        report = data.check(provider, model)
        if len(data):
            output.advice(f"wrote {data.write(fix, format=report.format)} ({len(data):,} examples)")
    note(data, workspace, lambda evidence: evidence.validation(report))
    output.result(str(report), {"ok": report.ok, **output.plain(report)}, as_json=as_json)
    if not report.ok:
        raise typer.Exit(1)


def analyze(
    file: File,
    *,
    tokens: Annotated[bool, typer.Option("--tokens", help="Count tokens too.")] = False,
    model: Annotated[str | None, typer.Option(help="Whose tokenizer counts, and whose limit.")] = None,
    provider: Annotated[str, typer.Option(help="Whose limit of tokens.")] = "openai",
    limit: Annotated[int | None, typer.Option(min=1, help="Most tokens of an example; the model's by default.")] = None,
    against: Annotated[
        str | None, typer.Option(help="Other data, such as production logs: how do they differ?")
    ] = None,
    format: Format = "auto",
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Show classes, balance, duplicates, conflicts, languages and tokens; and the drift against other data.

    Exit status 1 when no line can be read.
    """
    from finetuner.data.checks.rules import rules_for
    from finetuner.data.dataset import Dataset
    from finetuner.data.drift import drift

    data = Dataset.load(file, format=format)
    most = limit or (rules_for(provider, model).max_tokens_per_example if tokens else None)
    found = data.analyze(tokens=tokens, model=model, limit=most)
    note(data, workspace, lambda evidence: evidence.analysis(found))
    levels = {"balance": found.balance, "balance_level": found.balance_level, "duplicate_level": found.duplicate_level}
    moved = None if against is None else drift(found, Dataset.load(against).analyze(tokens=tokens, model=model))
    text = str(found) if moved is None else f"{found}\n{moved}"
    output.result(text, {**output.plain(found), **levels, "drift": moved}, as_json=as_json)
    if not found.size:
        raise typer.Exit(1)


def review(
    file: File,
    *,
    llm_judge: Annotated[bool, typer.Option("--llm-judge", help="Let a model judge each answer too.")] = False,
    rubric: Annotated[str | None, typer.Option(help="The rubric's Markdown file.")] = None,
    rubric_name: Annotated[str | None, typer.Option(help="Which rubric, where the file has several.")] = None,
    judge_model: Annotated[str | None, typer.Option(help="The model that judges.")] = None,
    destination: Annotated[str, typer.Option("--output", help="Where flagged examples are written.")] = _FLAGGED,
    clean: Annotated[str | None, typer.Option(help="Where to write the examples that aren't flagged.")] = None,
    format: Format = "auto",
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Flag what a careful person would stop at, with line numbers."""
    from finetuner.data.dataset import Dataset

    data = Dataset.load(file, format=format)
    judge = _Objector(names.judge(rubric, rubric_name, judge_model, workspace)) if llm_judge else None
    found = data.review(judge)
    note(data, workspace, lambda evidence: evidence.review(found))
    flagged = data.select(found.to_look_at)
    path = flagged.write(destination, format="finetuner") if len(flagged) else None
    if path is not None:
        output.advice(f"Flagged examples: {path}")
    rest = None if clean is None else data.drop(found).write(clean, format="finetuner")
    if rest is not None:
        output.advice(f"The others: {rest}")
    value = {**output.plain(found), "counts": found.counts, "flagged": len(flagged), "output": path, "clean": rest}
    output.result(str(found), value, as_json=as_json)


def sample(
    file: File,
    n: Annotated[int, typer.Option("--n", min=1, help="How many.")] = 100,
    stratify: Annotated[str | None, typer.Option(help="As many of each class, or of each value of a key.")] = None,
    destination: Annotated[str, typer.Option("--output", help="Where to write.")] = "sample_review.jsonl",
    *,
    proportional: Annotated[bool, typer.Option("--proportional", help="Keep the mix instead.")] = False,
    seed: Seed = 0,
    format: Format = "auto",
    as_json: AsJson = False,
) -> None:
    """Choose examples for people to look at."""
    from finetuner.data.dataset import Dataset

    data = Dataset.load(file, format=format)
    chosen = data.sample(n, stratify=stratum(stratify), seed=seed, balanced=stratify is not None and not proportional)
    path = chosen.write(destination, format="finetuner")
    how = "" if stratify is None else f", mix of {stratify} kept" if proportional else f", {stratify}-balanced"
    value = {"output": path, "examples": len(chosen), "stratify": stratify, "proportional": proportional}
    output.result(f"{path} ({len(chosen):,} examples{how})", value, as_json=as_json)


@attrs.frozen
class _Objector:
    """A judge as the review asks it: about an example's own answer."""

    judge: "Judge"

    def objection(self, example: "Example") -> str | None:
        verdict = self.judge.judge(example, example.completion)
        if verdict.passed is None:
            return "the judge's reply can't be read"
        reasons = (judgement.justification for judgement in verdict.judgements if not judgement.passed)
        return None if verdict.passed else next(filter(None, reasons), "failed without a reason")
