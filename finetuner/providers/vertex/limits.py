"""What Vertex AI takes as training data for Gemini, for a model and a day."""

from datetime import date
from typing import Final

from finetuner.data.checks import vertex
from finetuner.data.checks.rules import RuleSet
from finetuner.providers.catalog import load_catalog
from finetuner.providers.limits import findings, limits_for

_PROVIDER: Final = "vertex"
_RECOMMENDED_EXAMPLES: Final = 100


def rules(model: str | None, on: date) -> RuleSet:
    """Vertex AI's rules.

    Args:
        model: A base model's name, None for any.
        on: The day on which a job would be created.
    """
    catalog = load_catalog(_PROVIDER)
    limits = limits_for(catalog, model, on)
    return RuleSet(
        provider=_PROVIDER,
        model=model,
        format="vertex",
        check_record=vertex.check_contents,
        preference_format="vertex-preference",
        check_preference=vertex.check_pair,
        min_examples=limits.min_examples,
        recommended_examples=_RECOMMENDED_EXAMPLES,
        max_examples=limits.max_examples,
        max_tokens_per_example=limits.max_tokens_per_example,
        max_file_bytes=limits.max_file_bytes,
        findings=findings(catalog, model, on),
    )
