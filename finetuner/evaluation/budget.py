"""What a run may use: money, tokens and time, shared by everything that it calls."""

import math
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import attrs

from finetuner._core.money import usd
from finetuner.errors import BudgetExceededError

T = TypeVar("T")


@attrs.frozen
class Spent:
    """What calls cost.

    Attributes:
        usd: Money.
        tokens: Of prompts and answers.
    """

    usd: float = 0.0
    tokens: int = 0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.usd + other.usd, self.tokens + other.tokens)

    def __sub__(self, other: "Spent") -> "Spent":
        return Spent(self.usd - other.usd, self.tokens - other.tokens)


NOTHING = Spent()


@attrs.frozen(kw_only=True)
class Limits:
    """The most that may be used; None is no limit.

    Attributes:
        usd: Money.
        tokens: Of prompts and answers.
        seconds: From the first call on.
    """

    usd: float | None = None
    tokens: int | None = None
    seconds: float | None = None

    @property
    def of_answers(self) -> bool:
        """Whether a single answer has to be weighed before it is asked for."""
        return self.usd is not None or self.tokens is not None

    def after(self, spent: Spent, seconds: float = 0.0) -> "Limits":
        """What is left."""
        return Limits(
            usd=None if self.usd is None else max(0.0, self.usd - spent.usd),
            tokens=None if self.tokens is None else max(0, self.tokens - spent.tokens),
            seconds=None if self.seconds is None else max(0.0, self.seconds - seconds),
        )

    def hold(self, spent: Spent, seconds: float) -> bool:
        """Whether so much is within them."""
        return (
            (self.usd is None or spent.usd <= self.usd)
            and (self.tokens is None or spent.tokens <= self.tokens)
            and (self.seconds is None or seconds < self.seconds)
        )


@attrs.frozen(kw_only=True)
class Budget(Generic[T]):
    """What the calls of a run cost, and what they may cost.

    Attributes:
        limits: The most that may be used.
        spent: What was used before this run.
        price: What an answer cost.
        worst_price: What a row's answer may cost at most, as far as that can be known before it is sent.
    """

    limits: Limits
    spent: Spent
    price: Callable[[T], Spent]
    worst_price: Callable[[int], Spent]

    def worst(self, row: int) -> Spent:
        """What a row's answer may cost; nothing where no limit depends on it."""
        return self.worst_price(row) if self.limits.of_answers else NOTHING

    def affords(self, spent: Spent, seconds: float) -> bool:
        """Whether so much may be used."""
        return self.limits.hold(spent, seconds)

    def refuse(self, spent: Spent, rows: Sequence[int]) -> None:
        """Raise for rows that can't be asked any more.

        Raises:
            BudgetExceededError: The message says how far the budget went, and what the rows may cost.
        """
        rest = sum((self.worst_price(row) for row in rows), NOTHING)
        limits, total = self.limits, spent + rest
        if limits.usd is not None and total.usd > limits.usd:
            used, more = f"{usd(spent.usd)} of max_usd {usd(limits.usd)}", f"up to {usd(rest.usd)}"
            raised = "max_usd"
        elif limits.tokens is not None and total.tokens > limits.tokens:
            used, more = f"{spent.tokens:,} of max_total_tokens {limits.tokens:,}", f"up to {rest.tokens:,} tokens"
            raised = "max_total_tokens"
        else:
            used, more, raised = f"the end of max_seconds {limits.seconds:g}", f"up to {usd(rest.usd)}", "max_seconds"
        raise BudgetExceededError(
            f"stopped at {used}: {len(rows)} rows are left, {more}; answers so far are kept, run again with a higher "
            f"{raised} to go on",
            limit_usd=math.inf if limits.usd is None else limits.usd,
            estimated_usd=total.usd,
        )
