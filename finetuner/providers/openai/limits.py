"""What OpenAI takes as training data, for a model and a day."""

from datetime import date
from functools import partial
from typing import Final

from finetuner.data.checks import openai
from finetuner.data.checks.rules import RuleSet
from finetuner.providers.catalog import load_catalog
from finetuner.providers.limits import findings, limits_for

_PROVIDER: Final = "openai"
_RECOMMENDED_EXAMPLES: Final = 50


def rules(model: str | None, on: date) -> RuleSet:
    """OpenAI's rules.

    Args:
        model: A base model's name, None for any.
        on: The day on which a job would be created.
    """
    catalog = load_catalog(_PROVIDER)
    limits = limits_for(catalog, model, on)
    entry = catalog.find(model) if model else None
    return RuleSet(
        provider=_PROVIDER,
        model=model,
        format="openai",
        # Without a model, or with one that the catalog doesn't know, images get the benefit of the doubt.
        check_record=partial(openai.check_chat, images=entry is None or bool(entry.options.get("images"))),
        preference_format="openai-preference",
        check_preference=openai.check_pair,
        min_examples=limits.min_examples,
        recommended_examples=_RECOMMENDED_EXAMPLES,
        max_examples=limits.max_examples,
        max_tokens_per_example=limits.max_tokens_per_example,
        max_file_bytes=limits.max_file_bytes,
        findings=findings(catalog, model, on),
    )
