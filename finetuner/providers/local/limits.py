"""What the embedded provider takes as training data."""

from datetime import date
from functools import partial
from typing import Final

from finetuner.data.checks import openai
from finetuner.data.checks.rules import RuleSet
from finetuner.providers.catalog import load_catalog
from finetuner.providers.limits import findings, limits_for

_PROVIDER: Final = "local"
_RECOMMENDED_EXAMPLES: Final = 50


def rules(model: str | None, on: date) -> RuleSet:
    """The embedded provider's rules: OpenAI's lines, text only.

    Args:
        model: A base model's name, None for any.
        on: The day on which a job would be created.
    """
    catalog = load_catalog(_PROVIDER)
    limits = limits_for(catalog, model, on)
    return RuleSet(
        provider=_PROVIDER,
        model=model,
        format="openai",
        check_record=partial(openai.check_chat, images=False),
        min_examples=limits.min_examples,
        recommended_examples=_RECOMMENDED_EXAMPLES,
        max_examples=limits.max_examples,
        max_tokens_per_example=limits.max_tokens_per_example,
        max_file_bytes=limits.max_file_bytes,
        findings=findings(catalog, model, on),
    )
