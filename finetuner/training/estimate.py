"""What a job will cost, before it does."""

from datetime import date

import attrs

from finetuner._core.money import usd
from finetuner.data.ports import Examples
from finetuner.data.tokens import count_dataset
from finetuner.errors import BudgetExceededError
from finetuner.providers.ports import Provider

_PER_MILLION = 1_000_000


@attrs.frozen(kw_only=True)
class CostEstimate:
    """The price of a training job.

    Attributes:
        model: `provider:model`.
        tokens: Tokens in the training data, once.
        exact: Whether the tokens are counted by the model's own tokenizer.
        epochs: How often each token is trained on.
        price: USD per 1,000,000 training tokens; None where the catalog doesn't know.
        source: Where the price comes from.
        as_of: The day on which it was true.
    """

    model: str
    tokens: int
    exact: bool
    epochs: int
    price: float | None
    source: str
    as_of: date | None

    @property
    def training_tokens(self) -> int:
        """Tokens times epochs: what is billed."""
        return self.tokens * self.epochs

    @property
    def usd(self) -> float | None:
        """Price of the training in USD (tokens x epochs x price / 1e6); None where the price is unknown."""
        return None if self.price is None else self.training_tokens * self.price / _PER_MILLION

    def within(self, limit_usd: float | None) -> None:
        """Nothing, when it costs no more than the limit.

        Raises:
            BudgetExceededError: It costs more; or the price is unknown and there is a limit.
        """
        if limit_usd is None:
            return
        cost = self.usd
        if cost is None:
            raise BudgetExceededError(
                f"the price of {self.model} is unknown, so the limit of {usd(limit_usd)} can't be kept; "
                "give a price in a catalog file",
                limit_usd=limit_usd,
                estimated_usd=float("inf"),
            )
        if cost > limit_usd:
            raise BudgetExceededError(
                f"training {self.model} would cost {usd(cost)}, more than the limit of {usd(limit_usd)}; "
                "use fewer epochs or examples, or raise max_usd",
                limit_usd=limit_usd,
                estimated_usd=cost,
            )

    def __str__(self) -> str:
        """Tokens and cost, in two lines."""
        about = "" if self.exact else "about "
        cost = "unknown (no price in the catalog)" if self.usd is None else usd(self.usd)
        dated = f", price of {self.as_of}" if self.as_of else ""
        return f"Total tokens: {about}{self.training_tokens:,}\nTraining cost: {cost} ({self.model}{dated})"


def estimate(data: Examples, *, provider: Provider, model: str, epochs: int) -> CostEstimate:
    """The price of training on some data.

    Args:
        data: Training examples.
        provider: Where.
        model: The base model's name, or a tuned one.
        epochs: 1 or more.

    Returns:
        The estimate, with the date and source of the price.

    Raises:
        UnknownNameError: The catalog doesn't know the model.
    """
    entry = provider.catalog.get(model)
    counts = count_dataset(data, model)
    return CostEstimate(
        model=entry.id,
        tokens=counts.total,
        exact=counts.exact,
        epochs=epochs,
        price=entry.prices.training,
        source=entry.source,
        as_of=entry.as_of,
    )
