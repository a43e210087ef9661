"""What a job, and a month of its model's answers, will cost, before they do; and how sure each figure is.

Training = tokens x epochs x price. Inference = requests x (input tokens x input price + output tokens x output price).
A batch takes its own prices, and a cache its own for input; providers don't grant both discounts on one request.
"""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Literal

import attrs

from finetuner._core.money import usd
from finetuner._core.workspace import Workspace
from finetuner.data.ports import Examples
from finetuner.data.tokens import Rule, TokenCounts, count_dataset, rule
from finetuner.errors import BudgetExceededError, UsageError
from finetuner.providers.catalog import BaseModel, Prices
from finetuner.providers.ports import Provider
from finetuner.providers.registry import connect
from finetuner.training.spec import DEFAULT_EPOCHS, trains

REQUESTS_A_MONTH = 1_000_000
"""The volume for which inference is priced where none is stated."""

_PER_MILLION = 1_000_000

Grade = Literal["exact", "dated", "estimated", "assumed", "unknown"]


@attrs.frozen(kw_only=True)
class Sureness:
    """How sure a figure is.

    Attributes:
        figure: Which: `tokens`, `epochs`, `price` or `volume`.
        grade: `exact`, `dated` (true on a day), `estimated`, `assumed` or `unknown`.
        reason: Why.
    """

    figure: str
    grade: Grade
    reason: str

    def __str__(self) -> str:
        """`tokens: exact (the model's own tokenizer)`."""
        return f"{self.figure}: {self.grade} ({self.reason})"


@attrs.frozen(kw_only=True)
class InferenceCost:
    """What a month of answers costs, in USD; None where a price is unknown.

    Attributes:
        requests: Requests in the month.
        input_tokens: Mean tokens of a request.
        output_tokens: Mean tokens of an answer.
        input_usd: All requests.
        output_usd: All answers.
        batch_usd: Requests and answers through the batch interface.
        cached_usd: Requests and answers, the stated share of input found in the cache.
        cached_share: That share, 0 to 1.
    """

    requests: int
    input_tokens: float
    output_tokens: float
    input_usd: float | None
    output_usd: float | None
    batch_usd: float | None
    cached_usd: float | None
    cached_share: float

    @property
    def monthly_usd(self) -> float | None:
        """Requests and answers, each as it comes."""
        return _sum(self.input_usd, self.output_usd)

    @property
    def lowest_usd(self) -> float | None:
        """The cheapest way. The batch and the cache discount don't stack: it is one of them, or none."""
        ways = (self.monthly_usd, self.batch_usd, self.cached_usd)
        return min((way for way in ways if way is not None), default=None)

    def __str__(self) -> str:
        """Input, output and their sum, and what a batch or a cache makes of it."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"Inference for {self.requests:,} requests a month:"
        yield f"  Input: {_usd(self.input_usd)} ({self.input_tokens:,.0f} tokens a request)"
        yield f"  Output: {_usd(self.output_usd)} ({self.output_tokens:,.0f} tokens an answer)"
        yield f"  Monthly: {_usd(self.monthly_usd)}"
        if self.batch_usd is not None:
            yield f"  Monthly in batches: {_usd(self.batch_usd)}"
        if self.cached_usd is not None and self.cached_share:
            yield f"  Monthly with {self.cached_share:.0%} of the input cached: {_usd(self.cached_usd)}"
        if self.batch_usd is not None and self.cached_usd is not None and self.cached_share:
            yield "  Batch and cache discounts don't stack: one or the other"


@attrs.frozen(kw_only=True)
class CostEstimate:
    """The price of a training job and of its model's answers.

    Attributes:
        model: `provider:model`.
        examples: Training examples.
        tokens: Tokens in the training data, once.
        input_tokens: Mean tokens of an example without its answer.
        output_tokens: Mean tokens of its answer.
        exact: Whether the tokens are counted by the model's own tokenizer.
        epochs: How often each token is trained on.
        epochs_given: Whether the epochs were stated; else they are assumed, and the provider chooses.
        prices: USD per 1,000,000 tokens; None where the catalog doesn't know.
        source: Where the prices come from.
        as_of: The day on which they were true.
    """

    model: str
    examples: int
    tokens: int
    input_tokens: float
    output_tokens: float
    exact: bool
    epochs: int
    epochs_given: bool = True
    prices: Prices
    source: str
    as_of: date | None

    @property
    def price(self) -> float | None:
        """USD per 1,000,000 training tokens; None where the catalog doesn't know."""
        return self.prices.training

    @property
    def training_tokens(self) -> int:
        """Tokens times epochs: what is billed."""
        return self.tokens * self.epochs

    @property
    def usd(self) -> float | None:
        """Price of the training in USD (tokens x epochs x price / 1e6); None where the price is unknown."""
        return None if self.price is None else self.training_tokens * self.price / _PER_MILLION

    @property
    def sureness(self) -> tuple[Sureness, ...]:
        """How sure each figure is."""
        return tuple(self._sureness())

    def inference(self, requests: int = REQUESTS_A_MONTH, *, cached_share: float = 0.0) -> InferenceCost:
        """What a month of answers costs, when requests look as in the training data.

        Args:
            requests: Requests in the month.
            cached_share: Share of input tokens that the provider finds in its cache, 0 to 1, such as a system prompt.

        Raises:
            UsageError: A number is out of range.
        """
        if requests < 0 or not 0 <= cached_share <= 1:
            raise UsageError("requests must be 0 or more, and cached_share from 0 to 1")
        prices = self.prices
        read, written = requests * self.input_tokens, requests * self.output_tokens
        output = _priced(written, prices.output)
        cached = _sum(
            _priced(read * cached_share, prices.cached_input), _priced(read * (1 - cached_share), prices.input)
        )
        return InferenceCost(
            requests=requests,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            input_usd=_priced(read, prices.input),
            output_usd=output,
            batch_usd=_sum(_priced(read, prices.batch_input), _priced(written, prices.batch_output)),
            cached_usd=_sum(cached, output),
            cached_share=cached_share,
        )

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
                f"training {self.model} would cost {usd(cost)}, more than the limit of {usd(limit_usd)}; nothing was "
                "sent; use fewer epochs or examples, or raise max_usd",
                limit_usd=limit_usd,
                estimated_usd=cost,
            )

    def __str__(self) -> str:
        """Tokens and cost, in two lines."""
        return (
            f"Total tokens: {self.training_tokens:,}\nTraining cost: {_usd(self.usd)} ({self.model.partition(':')[2]})"
        )

    def _sureness(self) -> Iterator[Sureness]:
        if self.exact:
            yield Sureness(figure="tokens", grade="exact", reason="the model's own tokenizer")
        else:
            yield Sureness(figure="tokens", grade="estimated", reason="another model's tokenizer stands in for its own")
        if not self.epochs_given:
            reason = f"{self.epochs}, for comparison; the provider chooses where none are given"
            yield Sureness(figure="epochs", grade="assumed", reason=reason)
        if self.price is None:
            yield Sureness(figure="price", grade="unknown", reason="the catalog has no training price for this model")
        else:
            day = f"{self.as_of}, " if self.as_of else ""
            reason = f"${self.price:g} per million training tokens; {day}{self.source}"
            yield Sureness(figure="price", grade="dated", reason=reason)
        reason = "requests and answers as long as in the training data; retries and longer prompts cost more"
        yield Sureness(figure="inference", grade="estimated", reason=reason)


def estimate(
    data: Examples,
    *,
    provider: str | Provider,
    model: str,
    epochs: int | None = None,
    workspace: Workspace | str | None = None,
) -> CostEstimate:
    """The price of training on some data.

    Args:
        data: Training examples.
        provider: A name, or a connected provider.
        model: The base model's name, or a tuned one.
        epochs: 1 or more; None assumes 3, and says so.
        workspace: Where the provider is connected by its name.

    Returns:
        The estimate, with the date and source of the price.

    Raises:
        UnknownNameError: The catalog doesn't know the model.
    """
    where = connect(provider, workspace=workspace) if isinstance(provider, str) else provider
    return _estimate(where.catalog.get(model), count_dataset(data, model), epochs)


def compare_costs(
    data: Examples, providers: Iterable[Provider], *, epochs: int | None = None, method: str = "supervised"
) -> tuple[CostEstimate, ...]:
    """The same training on every model that can be tuned today, the cheapest first, unknown prices last.

    Args:
        data: Training examples.
        providers: Where to look.
        epochs: 1 or more; None assumes 3, and says so.
        method: Models that can't be trained so are left out.
    """
    counted: dict[Rule, TokenCounts] = {}
    found: list[CostEstimate] = []
    for provider in providers:
        for entry in provider.catalog.tunable():
            if trains(entry, method):
                how = rule(entry.name)
                if how not in counted:
                    counted[how] = count_dataset(data, entry.name)
                found.append(_estimate(entry, counted[how], epochs))
    return tuple(sorted(found, key=lambda cost: (cost.usd is None, cost.usd or 0.0, cost.model)))


def _estimate(entry: BaseModel, counts: TokenCounts, epochs: int | None) -> CostEstimate:
    return CostEstimate(
        model=entry.id,
        examples=len(counts.per_example),
        tokens=counts.total,
        input_tokens=counts.input.mean,
        output_tokens=counts.output.mean,
        exact=counts.exact,
        epochs=epochs or DEFAULT_EPOCHS,
        epochs_given=epochs is not None,
        prices=entry.prices,
        source=entry.source,
        as_of=entry.as_of,
    )


def _priced(tokens: float, price: float | None) -> float | None:
    return None if price is None else tokens * price / _PER_MILLION


def _sum(*parts: float | None) -> float | None:
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _usd(amount: float | None) -> str:
    return "unknown (no price in the catalog)" if amount is None else usd(amount)
