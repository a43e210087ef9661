"""Commands of the first phase: data."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import attrs
import typer

from finetuner.cli import names, output
from finetuner.cli.options import AsJson, File, Format, Place, Seed, Written

if TYPE_CHECKING:
    from finetuner.data.examples import Example
    from finetuner.evaluation.judge import Judge

_FLAGGED = "flagged_for_review.jsonl"


def extract(
    logs: Annotated[str, typer.Option(help="Folder, file or pattern of production logs.")],
    destination: Annotated[str, typer.Option("--output", help="Where to write.")] = "raw_data.jsonl",
    sample: Annotated[int | None, typer.Option(min=1, help="How many to keep; all by default.")] = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Take the good requests and answers out of production logs."""
    from finetuner.data.dataset import extract as extracted

    found = extracted(logs, sample=sample, seed=seed)
    path = found.dataset.write(destination, format="finetuner")
    dropped = ", ".join(f"{name} {count:,}" for name, count in found.dropped.items()) or "none"
    output.advice(f"{found.read:,} lines read; left out: {dropped}; not sampled: {found.not_sampled:,}")
    output.result(f"{path} ({len(found.dataset):,} examples)", {"output": path, **found.counts}, as_json=as_json)


def convert(
    file: File,
    to: Annotated[str, typer.Option("--to", help="Format to write, such as openai or vertex.")],
    destination: Written = None,
    format: Format = "auto",
    as_json: AsJson = False,
) -> None:
    """Write examples in another format, to a file or to standard output."""
    from finetuner._core.codec import encode
    from finetuner.data import formats
    from finetuner.data.dataset import Dataset

    data = Dataset.load(file, format=format).convert(to)
    if destination is None:
        records = [formats.get(to).to_record(example) for example in data]
        lines = "\n".join(encode(record).decode() for record in records)
        output.result(lines, records, as_json=as_json)
        return
    path = data.write(destination)
    value = {"output": path, "format": to, "examples": len(data)}
    output.result(f"{path} ({len(data):,} examples, {to})", value, as_json=as_json)


def validate(
    file: File,
    provider: Annotated[str, typer.Option(help="For whom, such as openai.")] = "openai",
    model: Annotated[str | None, typer.Option(help="The base model; any by default.")] = None,
    format: Format = "auto",
    as_json: AsJson = False,
) -> None:
    """List every problem that a provider would have with the data; exit status 1 when there are errors."""
    from finetuner.data.dataset import Dataset

    report = Dataset.load(file, format=format).check(provider, model)
    output.result(str(report), {"ok": report.ok, **output.plain(report)}, as_json=as_json)
    if not report.ok:
        raise typer.Exit(1)


def analyze(
    file: File,
    tokens: Annotated[bool, typer.Option("--tokens", help="Count tokens too.")] = False,
    model: Annotated[str | None, typer.Option(help="Whose tokenizer counts.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Most tokens of an example.")] = None,
    format: Format = "auto",
    as_json: AsJson = False,
) -> None:
    """Show classes, balance, duplicates, conflicts and tokens."""
    from finetuner.data.dataset import Dataset

    found = Dataset.load(file, format=format).analyze(tokens=tokens, model=model, limit=limit)
    levels = {"balance": found.balance, "balance_level": found.balance_level, "duplicate_level": found.duplicate_level}
    output.result(str(found), {**output.plain(found), **levels}, as_json=as_json)


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
    flagged = data.select(found.flagged)
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
    stratify: Annotated[str | None, typer.Option(help="Keep the mix of class, or of a metadata key.")] = None,
    destination: Annotated[str, typer.Option("--output", help="Where to write.")] = "sample_review.jsonl",
    seed: Seed = 0,
    format: Format = "auto",
    as_json: AsJson = False,
) -> None:
    """Choose examples for people to look at."""
    from finetuner.data.dataset import Dataset

    chosen = Dataset.load(file, format=format).sample(n, stratify=_stratum(stratify), seed=seed)
    path = chosen.write(destination, format="finetuner")
    how = f", stratified by {stratify}" if stratify else ""
    value = {"output": path, "examples": len(chosen), "stratify": stratify}
    output.result(f"{path} ({len(chosen):,} examples{how})", value, as_json=as_json)


def dedupe(
    file: File,
    destination: Written = None,
    near: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Also copies from this similarity.")] = None,
    format: Format = "auto",
    as_json: AsJson = False,
) -> None:
    """Drop examples that repeat an earlier one."""
    from finetuner.data.dataset import Dataset

    data = Dataset.load(file, format=format)
    kept = data.dedupe(near)
    path = kept.write(destination or _beside(file, "deduped"))
    removed = len(data) - len(kept)
    value = {"output": path, "examples": len(kept), "removed": removed}
    output.result(f"{path} ({len(kept):,} examples, {removed:,} duplicates removed)", value, as_json=as_json)


def redact(file: File, destination: Written = None, format: Format = "auto", as_json: AsJson = False) -> None:
    """Replace personal data and secrets by placeholders; names of people aren't found."""
    from finetuner.data.dataset import Dataset

    data = Dataset.load(file, format=format)
    redacted = data.redact()
    changed = sum(old != new for old, new in zip(data, redacted, strict=True))
    path = redacted.write(destination or _beside(file, "redacted"))
    value = {"output": path, "examples": len(redacted), "changed": changed}
    output.result(f"{path} ({len(redacted):,} examples, {changed:,} changed)", value, as_json=as_json)


def rebalance(
    file: File,
    how: Annotated[Literal["oversample", "undersample"], typer.Option(help="Repeat or leave out.")] = "oversample",
    destination: Written = None,
    seed: Seed = 0,
    format: Format = "auto",
    as_json: AsJson = False,
) -> None:
    """Make every class equally frequent, for training data only."""
    from finetuner.data.dataset import Dataset

    even = Dataset.load(file, format=format).rebalance(how, seed=seed)
    path = even.write(destination or _beside(file, "rebalanced"))
    value = {"output": path, "examples": len(even), "how": how}
    output.result(f"{path} ({len(even):,} examples, {how}d)", value, as_json=as_json)


def split(
    file: File,
    *,
    train: Annotated[float, typer.Option(min=0.0, help="Share of the training part.")] = 80,
    val: Annotated[float, typer.Option(min=0.0, help="Share of the validation part.")] = 10,
    test: Annotated[float | None, typer.Option(min=0.0, help="Share of the test part; the rest by default.")] = None,
    stratify: Annotated[str, typer.Option(help="Keep the mix of class, a metadata key, or none.")] = "class",
    group: Annotated[str | None, typer.Option(help="Metadata key whose groups stay together.")] = None,
    time: Annotated[str | None, typer.Option(help="Metadata key of time: test is the newest.")] = None,
    seed: Seed = 0,
    format: Format = "auto",
    as_json: AsJson = False,
) -> None:
    """Split into train, validation and test, and prove that nothing leaks."""
    from finetuner.data.dataset import Dataset

    parts = Dataset.load(file, format=format).split(
        train,
        val,
        max(0.0, 100 - train - val) if test is None else test,
        stratify=_stratum(stratify),
        group=group,
        time=time,
        seed=seed,
    )
    named = {"train": parts.train, "val": parts.val, "test": parts.test}
    paths = {name: part.write(_beside(file, name)) for name, part in named.items() if len(part)}
    for path in paths.values():
        output.advice(f"wrote {path}")
    value = {"files": paths, "proof": parts.proof, "leaks": parts.proof.leaks}
    output.result(str(parts.proof), value, as_json=as_json)


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


def _stratum(name: str | None) -> str | None:
    """The library's word for what the command line calls class; none switches it off."""
    return {"class": "label", "none": None}.get(name, name) if name else None


def _beside(file: str, part: str) -> Path:
    path = Path(file)
    stem = "data" if file == "-" else path.name.partition(".")[0] if path.is_file() else path.stem
    return path.parent / f"{stem.strip('*') or 'data'}_{part}.jsonl"
