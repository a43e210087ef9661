"""What Vertex AI takes as training data for Gemini, for a model and a day."""

from datetime import date
from typing import Final

import attrs

from finetuner.data.checks import quick, vertex
from finetuner.data.checks.rules import RuleSet
from finetuner.providers.catalog import load_catalog
from finetuner.providers.limits import base_rules

# Google Cloud, "Prepare supervised fine-tuning data", 2026.
_RECOMMENDED_EXAMPLES: Final = 100
_MAX_IMAGE_EXAMPLES: Final = 300_000


def rules(model: str | None, on: date) -> RuleSet:
    """Vertex AI's rules.

    Args:
        model: A base model's name, None for any.
        on: The day on which a job would be created.
    """
    return attrs.evolve(
        base_rules(load_catalog("vertex"), model, on, format="vertex", check_record=vertex.check_contents),
        quick=quick.contents,
        preference_format="vertex-preference",
        check_preference=vertex.check_pair,
        recommended_examples=_RECOMMENDED_EXAMPLES,
        max_image_examples=_MAX_IMAGE_EXAMPLES,
    )
