"""Commands that tell what can be used now."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from finetuner.cli import output
from finetuner.cli.options import AsJson, Place

if TYPE_CHECKING:
    from finetuner.providers.catalog import BaseModel


def providers(workspace: Place = None, as_json: AsJson = False) -> None:
    """List the installed providers and what they can do."""
    from finetuner.providers.registry import connect, names

    rows: list[dict[str, object]] = []
    for name in names():
        provider = connect(name, workspace=workspace)
        can = {"train": provider.trainer, "serve": provider.completer, "pause": provider.pauser}
        rows.append(
            {
                "name": name,
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
    from finetuner.providers.registry import connect, names

    chosen = names() if provider is None else (provider,)
    catalogs = [connect(name, workspace=workspace).catalog for name in chosen]
    tunable = [model for catalog in catalogs for model in catalog.tunable()]
    for note in (note for catalog in catalogs for note in catalog.notes):
        output.advice(note)
    if not tunable:
        output.advice(f"nothing can be tuned on {datetime.now(UTC):%Y-%m-%d}, as far as the catalog knows")
    output.result("\n".join(map(_line, tunable)), tunable, as_json=as_json)


def _line(model: "BaseModel") -> str:
    parts = [f"{model.id}: {', '.join(model.methods)}"]
    if model.prices.training is not None:
        parts.append(f"training ${model.prices.training:g} per million tokens")
    if model.limits.max_tokens_per_example is not None:
        parts.append(f"{model.limits.max_tokens_per_example:,} tokens per example")
    if model.training_ends is not None:
        parts.append(f"training ends {model.training_ends}")
    if model.retires is not None:
        parts.append(f"retires {model.retires}")
    if model.as_of is not None:
        parts.append(f"as of {model.as_of}")
    return "; ".join(parts)
