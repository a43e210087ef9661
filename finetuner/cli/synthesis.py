"""The command that has a teacher write data."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from finetuner.cli import names, output
from finetuner.cli.options import AsJson, Place, Seed

if TYPE_CHECKING:
    from finetuner.data.examples import Message


def generate_synthetic(
    model: Annotated[str, typer.Option(help="The teacher, such as openai:gpt-….")],
    prompts: Annotated[str | None, typer.Option(help="A text file with a prompt on each line, or a data file.")] = None,
    destination: Annotated[str, typer.Option("--output", help="Where to write.")] = "synthetic_data.jsonl",
    *,
    label: Annotated[list[str] | None, typer.Option(help="Write requests instead: LABEL=COUNT. Repeatable.")] = None,
    about: Annotated[str | None, typer.Option(help="For labels: who writes, and about what.")] = None,
    system: Annotated[str | None, typer.Option(help="The system prompt of the examples.")] = None,
    seeds: Annotated[
        str | None, typer.Option(help="A data file of good examples, to be like and not to repeat.")
    ] = None,
    copies: Annotated[int, typer.Option(min=1, help="Answers for each prompt.")] = 1,
    max_usd: Annotated[float | None, typer.Option(min=0.0, help="The most to spend.")] = None,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="The longest answer, in tokens.")] = None,
    temperature: Annotated[float, typer.Option(min=0.0, max=2.0, help="0 is the most repeatable.")] = 0.7,
    concurrency: Annotated[int, typer.Option(min=1, help="Most calls in flight.")] = 16,
    review: Annotated[bool, typer.Option(help="Leave out what a review calls an error.")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what it may cost.")] = False,
    seed: Seed = 0,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Have a teacher answer prompts, or write requests for labels; resumable, and no prompt is paid twice."""
    from finetuner._core.money import usd
    from finetuner.data.dataset import Dataset
    from finetuner.evaluation.synthesis import Settings, estimated, synthesis
    from finetuner.providers.ports import CompletionOptions

    teacher = names.model(model, workspace)
    asked = _prompts(prompts)
    with output.progress("asking") as report:
        settings = Settings(
            system=system,
            labels=_labels(label),
            about=about,
            seeds=None if seeds is None else Dataset.load(seeds),
            copies=copies,
            review=review,
            concurrency=concurrency,
            max_usd=max_usd,
            options=CompletionOptions(temperature=temperature, max_tokens=max_tokens),
            seed=seed,
            on_progress=report,
        )
        before = estimated(asked, teacher, settings, workspace=workspace)
        price = "at an unknown price" if before.usd is None else f"for at most {usd(before.usd)}"
        told = f"{before.answers - before.known:,} answers to buy {price}; {before.known:,} are paid already"
        if dry_run:
            output.result(told, before, as_json=as_json)
            return
        output.advice(told)
        found = synthesis(asked, teacher, settings, workspace=workspace)
    if not len(found.dataset):
        output.error(f"no answer is good enough: {_counted(found.dropped)}")
        raise typer.Exit(1)
    path = found.dataset.write(destination, format="finetuner")
    output.advice(f"left out: {_counted(found.dropped)}; failed: {found.failed:,} (run again to try them again)")
    paid = "an unknown sum" if found.cost is None else usd(found.cost)
    text = f"{path} ({len(found.dataset):,} examples; {found.asked:,} asked, {found.reused:,} reused, paid {paid})"
    value = {
        "output": path,
        "examples": len(found.dataset),
        "asked": found.asked,
        "reused": found.reused,
        "failed": found.failed,
        "dropped": found.dropped,
        "usd": found.cost,
    }
    output.result(text, value, as_json=as_json)


def _prompts(path: str | None) -> "list[str | tuple[Message, ...]]":
    from finetuner.data.dataset import Dataset
    from finetuner.data.synthesis import read_prompts

    if path is None:
        return []
    if path.endswith(".txt"):
        return list(read_prompts(path))
    return [example.prompt for example in Dataset.load(path)]


def _labels(pairs: list[str] | None) -> dict[str, int] | None:
    from finetuner.errors import UsageError

    found: dict[str, int] = {}
    for pair in pairs or ():
        name, _, count = pair.rpartition("=")
        if not name or not count.isdecimal():
            raise UsageError(f"--label takes LABEL=COUNT, such as --label refund=20, not {pair!r}")
        found[name] = int(count)
    return found or None


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"
