"""Commands that make new files of a data set: dedupe, redact, harmonize, rebalance, split."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from finetuner.cli import output
from finetuner.cli.evidence import note
from finetuner.cli.options import AsJson, File, Format, Place, Seed, Written


def dedupe(
    file: File,
    destination: Written = None,
    near: Annotated[float | None, typer.Option(min=0.5, max=1.0, help="Also copies from this similarity.")] = None,
    format: Format = "auto",
    as_json: AsJson = False,
) -> None:
    """Drop examples that repeat an earlier one."""
    from finetuner.data.dataset import Dataset

    data = Dataset.load(file, format=format)
    kept = data.dedupe(near)
    path = kept.write(destination or beside(file, "deduped"))
    removed = len(data) - len(kept)
    value = {"output": path, "examples": len(kept), "removed": removed}
    output.result(f"{path} ({len(kept):,} examples, {removed:,} duplicates removed)", value, as_json=as_json)


def redact(file: File, destination: Written = None, format: Format = "auto", as_json: AsJson = False) -> None:
    """Replace personal data and secrets by placeholders; names of people aren't found."""
    from finetuner.data.dataset import Dataset
    from finetuner.data.privacy import NOT_FOUND

    data = Dataset.load(file, format=format)
    redacted = data.redact()
    changed = sum(old != new for old, new in zip(data, redacted, strict=True))
    path = redacted.write(destination or beside(file, "redacted"))
    output.advice(NOT_FOUND)
    value = {"output": path, "examples": len(redacted), "changed": changed}
    output.result(f"{path} ({len(redacted):,} examples, {changed:,} changed)", value, as_json=as_json)


def harmonize(
    file: File,
    destination: Written = None,
    merge: Annotated[list[str] | None, typer.Option(help="A label that means another: OLD=NEW. Repeatable.")] = None,
    label: Annotated[list[str] | None, typer.Option(help="A label as it is to be spelled. Repeatable.")] = None,
    format: Format = "auto",
    as_json: AsJson = False,
) -> None:
    """Spell every label one way: "Billing", "billing " and "BILLING." become "billing"."""
    from finetuner.data.dataset import Dataset
    from finetuner.data.labels import find_labels
    from finetuner.errors import UsageError

    pairs = [pair.partition("=") for pair in merge or ()]
    if any(not old or not new for old, _, new in pairs):
        raise UsageError("--merge takes OLD=NEW, such as --merge invoice=billing")
    data = Dataset.load(file, format=format)
    same = data.harmonize(label or (), {old: new for old, _, new in pairs})
    changed = sum(old.completion != new.completion for old, new in zip(data, same, strict=True))
    labels = find_labels(same)
    path = same.write(destination or beside(file, "harmonized"))
    count = 0 if labels is None else len(labels.classes)
    value = {"output": path, "examples": len(same), "changed": changed, "labels": count}
    output.result(f"{path} ({len(same):,} examples, {changed:,} changed, {count:,} labels)", value, as_json=as_json)


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
    path = even.write(destination or beside(file, "rebalanced"))
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
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Split into train, validation and test, and prove that nothing leaks."""
    from finetuner.data.dataset import Dataset

    data = Dataset.load(file, format=format)
    parts = data.split(
        train,
        val,
        max(0.0, 100 - train - val) if test is None else test,
        stratify=stratum(stratify),
        group=group,
        time=time,
        seed=seed,
    )
    named = {"train": parts.train, "val": parts.val, "test": parts.test}
    paths = {name: part.write(beside(file, name)) for name, part in named.items() if len(part)}
    for path in paths.values():
        output.advice(f"wrote {path}")
    prints = {name: part.fingerprint for name, part in named.items()}
    note(data, workspace, lambda evidence: evidence.split(parts.proof, **prints))
    value = {"files": paths, "proof": parts.proof, "leaks": parts.proof.leaks, "fingerprints": prints}
    output.result(str(parts.proof), value, as_json=as_json)


def stratum(name: str | None) -> str | None:
    """The library's word for what the command line calls class; none switches it off."""
    return {"class": "label", "none": None}.get(name, name) if name else None


def beside(file: str, part: str) -> Path:
    """The file of a part, beside the one that it was made of."""
    path = Path(file)
    stem = "data" if file == "-" else path.name.partition(".")[0] if path.is_file() else path.stem
    return path.parent / f"{stem.strip('*') or 'data'}_{part}.jsonl"
