"""What OpenAI takes as training data, for a model and a day."""

from datetime import date
from functools import partial
from typing import Final

import attrs

from finetuner.data.checks import openai, quick
from finetuner.data.checks.rules import RuleSet
from finetuner.providers.catalog import load_catalog
from finetuner.providers.limits import base_rules
from finetuner.providers.openai import flavours

# OpenAI's guides to reinforcement and vision fine-tuning, 2026-06.
_MAX_REINFORCEMENT_EXAMPLES: Final = 50_000
_MAX_IMAGE_EXAMPLES: Final = 50_000


def rules(model: str | None, on: date, flavour: flavours.Flavour = flavours.OPENAI) -> RuleSet:
    """OpenAI's rules, and those of services that speak its API.

    Args:
        model: A base model's name, None for any.
        on: The day on which a job would be created.
        flavour: Which service.
    """
    catalog = load_catalog(flavour.name)
    if flavour.elsewhere():
        catalog = catalog.without_dates()
    entry = catalog.find(model) if model else None
    # Without a model, or with one that the catalog doesn't know, images get the benefit of the doubt.
    images = entry is None or bool(entry.options.get("images"))
    check = partial(openai.check_chat, images=images)
    return attrs.evolve(
        base_rules(catalog, model, on, format="openai", check_record=check),
        quick=quick.chat,
        quick_own=quick.own_chat,
        preference_format="openai-preference",
        check_preference=openai.check_pair,
        check_reinforcement=partial(openai.check_task, images=images),
        max_reinforcement_examples=_MAX_REINFORCEMENT_EXAMPLES,
        max_image_examples=_MAX_IMAGE_EXAMPLES,
    )


azure = partial(rules, flavour=flavours.AZURE)
"""Azure OpenAI's rules."""

nebius = partial(rules, flavour=flavours.NEBIUS)
"""Nebius Token Factory's rules."""
