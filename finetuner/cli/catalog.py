"""Commands that tell what can be used now."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from finetuner.cli import output
from finetuner.cli.options import AsJson, Place

if TYPE_CHECKING:
    from finetuner.providers.catalog import BaseModel
    from finetuner.providers.ports import Provider


def providers(workspace: Place = None, as_json: AsJson = False) -> None:
    """List the installed providers and what they can do."""
    rows: list[dict[str, object]] = []
    for provider in reachable(None, workspace):
        can = {"train": provider.trainer, "serve": provider.completer, "pause": provider.pauser}
        rows.append(
            {
                "name": provider.name,
                "can": [verb for verb, part in can.items() if part is not None],
                "formats": list(provider.formats),
                "tunable": len(provider.catalog.tunable()),
                "notes": list(provider.catalog.notes),
            }
        )
    lines = [f"{row['name']}: {', '.join(output.plain(row['can']))}; {row['tunable']} tunable models" for row in rows]
    output.result("\n".join(lines), rows, as_json=as_json)


def models(
    provider: Annotated[str | None, typer.Option(help="Only this provider's.")] = None,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """List the base models that can be tuned today, with limits, prices and dates."""
    catalogs = [each.catalog for each in reachable(provider, workspace)]
    tunable = [model for catalog in catalogs for model in catalog.tunable()]
    for note in (note for catalog in catalogs for note in catalog.notes):
        output.advice(note)
    if not tunable:
        output.advice(f"nothing can be tuned on {datetime.now(UTC):%Y-%m-%d}, as far as the catalog knows")
    output.result("\n".join(map(_line, tunable)), tunable, as_json=as_json)


def reachable(name: str | None, workspace: str | None) -> "list[Provider]":
    """One provider, or all that can be connected; the others are named with the reason.

    Raises:
        FinetunerError: The one that is asked for can't be connected.
    """
    from finetuner.errors import FinetunerError
    from finetuner.providers.registry import connect, names

    if name is not None:
        return [connect(name, workspace=workspace)]
    found: list[Provider] = []
    for each in names():
        try:
            found.append(connect(each, workspace=workspace))
        except FinetunerError as error:
            output.advice(f"{each} can't be used: {error}")
    return found


def _line(model: "BaseModel") -> str:
    parts = [f"{model.id}: {', '.join(model.methods)}"]
    if model.prices.training is not None:
        parts.append(f"training ${model.prices.training:g} per million tokens")
    if model.limits.max_tokens_per_example is not None:
        parts.append(f"{model.limits.max_tokens_per_example:,} tokens per example")
    if model.prices.input is not None and model.prices.output is not None:
        parts.append(f"answers ${model.prices.input:g} in, ${model.prices.output:g} out")
    if model.training_ends is not None:
        parts.append(f"training ends {model.training_ends}")
    if model.retires is not None:
        parts.append(f"retires {model.retires}")
    if model.as_of is not None:
        parts.append(f"as of {model.as_of}")
    return "; ".join(parts)
