"""What would stop a job on open weights, said before it is created: the weights, and what must be installed."""

from collections.abc import Iterator
from typing import Final

import attrs

from finetuner.data.ports import Examples
from finetuner.errors import ProviderError
from finetuner.providers.huggingface import bases, libraries
from finetuner.providers.huggingface.bases import Base
from finetuner.providers.ports import Finding

_FEW: Final = 50


@attrs.frozen
class HuggingFaceAdvisor:
    """The `Advisor` of open-weight models. Reads no weights and imports no heavy package."""

    def advise(self, model: str, training: Examples, method: str) -> tuple[Finding, ...]:
        """Errors about missing packages and weights, warnings about the hub, pairs with tools, and little data."""
        return tuple(_findings(model, training, method))


def _findings(model: str, training: Examples, method: str) -> Iterator[Finding]:
    missing = libraries.missing()
    if missing:
        yield Finding(
            severity="error",
            code="missing_extra",
            message=f"open weights are trained with {', '.join(libraries.MODULES)}; missing: {', '.join(missing)}",
            fix="pip install 'finetuner-sdk[huggingface]'",
        )
    if not model.startswith("ft:"):
        yield from _about_weights(model)
    count = sum(1 for _ in training)
    if count < _FEW:
        yield Finding(
            severity="warning",
            code="little_data",
            message=f"{count} examples are few for a generative model, which may learn them by heart",
            fix="give a validation set, and hyperparameters={'early_stopping_patience': 1}",
        )
    if method == "dpo" and any(message.tool_calls for example in training for message in example.messages):
        yield Finding(
            severity="error",
            code="tools_in_pairs",
            message="preference pairs with calls of tools can't be trained here",
            fix="leave them out, or train them as supervised",
        )


def _about_weights(model: str) -> Iterator[Finding]:
    try:
        base: Base = bases.find(model)
    except ProviderError as error:
        yield Finding(severity="error", code=error.code or "invalid_model", message=str(error))
        return
    if base.folder is None:
        yield Finding(
            severity="warning",
            code="fetched_from_hub",
            message=f"{base.repository} is fetched from the hub when the job starts, unless it is in the hub's cache",
            fix=f"on a machine without network, put the folder into ${bases.ENVIRONMENT}",
        )
