"""What the embedded provider takes as training data."""

from datetime import date
from functools import partial

import attrs

from finetuner.data.checks import openai, quick
from finetuner.data.checks.rules import RuleSet
from finetuner.providers.catalog import load_catalog
from finetuner.providers.limits import base_rules


def rules(model: str | None, on: date) -> RuleSet:
    """The embedded provider's rules: OpenAI's lines, text only.

    Args:
        model: A base model's name, None for any.
        on: The day on which a job would be created.
    """
    check = partial(openai.check_chat, images=False)
    base = base_rules(load_catalog("local"), model, on, format="openai", check_record=check)
    return attrs.evolve(base, quick=quick.chat, quick_own=quick.own_chat)
