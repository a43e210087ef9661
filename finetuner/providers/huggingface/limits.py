"""What open weights take as training data."""

from datetime import date
from functools import partial

import attrs

from finetuner.data.checks import openai, quick
from finetuner.data.checks.rules import RuleSet
from finetuner.providers.catalog import load_catalog
from finetuner.providers.limits import base_rules


def rules(model: str | None, on: date) -> RuleSet:
    """Rules of open weights: OpenAI's lines and pairs, text only.

    Args:
        model: A base model's name, None for any.
        on: The day on which a job would be created.
    """
    check = partial(openai.check_chat, images=False)
    return attrs.evolve(
        base_rules(load_catalog("huggingface"), model, on, format="openai", check_record=check),
        quick=quick.chat,
        quick_own=quick.own_chat,
        preference_format="openai-preference",
        check_preference=openai.check_pair,
    )
