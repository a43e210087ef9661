"""What answers cost, by the provider's catalog."""

from typing import Protocol

import attrs

from finetuner.data.examples import Example
from finetuner.errors import UsageError
from finetuner.evaluation.budget import Spent
from finetuner.providers.catalog import Prices
from finetuner.providers.model import Model
from finetuner.providers.ports import CompletionOptions, Usage

_MILLION = 1_000_000
_TOKENS_AROUND_A_MESSAGE = 16
_SHORTEST_GUESS = 256


class Used(Protocol):
    """What took tokens."""

    @property
    def usage(self) -> Usage:
        """The tokens."""
        ...


@attrs.frozen
class Pricing:
    """Prices of one model; without them every answer costs 0 and `known` is false.

    Attributes:
        prices: USD per 1,000,000 tokens.
    """

    prices: Prices | None

    @classmethod
    def of(cls, model: Model, base: str | None = None) -> "Pricing":
        """The prices of a model, or of its base where the catalog knows only that.

        A provider whose every model is free serves tuned models for nothing too.

        Args:
            model: Who answers.
            base: The provider's id of the model that it was tuned from, where known.
        """
        catalog = model.provider.catalog
        entry = catalog.find(model.reference.model) or (None if base is None else catalog.find(base))
        if entry is not None:
            return cls(entry.prices if entry.prices.input is not None else None)
        free = bool(catalog.models) and all(known.prices.input == known.prices.output == 0 for known in catalog.models)
        return cls(Prices(input=0.0, output=0.0) if free else None)

    def batched(self) -> "Pricing":
        """The prices through the batch interface; the usual ones where the catalog has no others."""
        if self.prices is None or self.prices.batch_input is None or self.prices.batch_output is None:
            return self
        lower = attrs.evolve(
            self.prices,
            input=self.prices.batch_input,
            cached_input=self.prices.batch_input,
            output=self.prices.batch_output,
        )
        return Pricing(lower)

    @property
    def known(self) -> bool:
        """Whether there is a price."""
        return self.prices is not None

    def require(self, model: Model, max_usd: float | None) -> None:
        """Raise where a budget was given that can't be kept.

        Raises:
            UsageError: The model's price is unknown.
        """
        if max_usd is not None and not self.known:
            raise UsageError(f"max_usd needs a price, and the catalog has none for {model}; leave max_usd out")

    def cost(self, usage: Usage) -> float:
        """USD of one call."""
        if self.prices is None:
            return 0.0
        full = self.prices.input or 0.0
        cached = full if self.prices.cached_input is None else self.prices.cached_input
        prompt = (usage.prompt_tokens - usage.cached_tokens) * full + usage.cached_tokens * cached
        return (prompt + usage.completion_tokens * (self.prices.output or 0.0)) / _MILLION

    def of_usage(self, usage: Usage) -> Spent:
        """Money and tokens of one call."""
        return Spent(self.cost(usage), usage.total_tokens)

    def spent(self, answer: Used) -> Spent:
        """Money and tokens of an answer, or of a verdict."""
        return self.of_usage(answer.usage)

    def worst(self, example: Example, options: CompletionOptions) -> Spent:
        """What an answer may cost: a token for each byte of the prompt, and the longest answer allowed.

        Where no longest answer is set, four times the expected one is assumed, at least 256 tokens.
        """
        prompt = sum(len(message.text.encode()) + _TOKENS_AROUND_A_MESSAGE for message in example.prompt)
        guess = max(_SHORTEST_GUESS, 4 * len(example.completion.encode()))
        longest = guess if options.max_tokens is None else options.max_tokens
        return self.of_usage(Usage(prompt_tokens=prompt, completion_tokens=longest))
