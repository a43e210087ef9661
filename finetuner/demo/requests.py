"""Written support requests of an invented shop, by intent, split into a logged and a held-out pool."""

import random
from functools import cache
from importlib import resources
from typing import Final

import attrs

INTENTS: Final = (
    "account_deletion",
    "cancel_subscription",
    "change_address",
    "damaged_item",
    "delivery_status",
    "discount_code",
    "invoice_request",
    "password_reset",
    "payment_failed",
    "product_availability",
    "refund_request",
    "wrong_item",
)
"""The 12 labels, sorted."""

HELD_OUT_PER_INTENT: Final = 25
"""Requests of each intent that never enter the logs: the demo's live traffic."""


@attrs.frozen
class Request:
    """One written request and its true label.

    Args:
        text: What the customer wrote.
        label: One of `INTENTS`.
    """

    text: str
    label: str


def seeded(seed: int) -> random.Random:
    """A generator whose stream is the same on every platform and Python version.

    Args:
        seed: Any integer.

    Returns:
        The generator.
    """
    return random.Random(seed)  # noqa: S311 - demo data has to repeat, not to be secret


@cache
def _lines(name: str) -> tuple[str, ...]:
    text = resources.files("finetuner.demo").joinpath("data", name).read_text(encoding="utf-8")
    return tuple(line for line in text.splitlines() if line.strip())


def subjects(label: str) -> tuple[str, ...]:
    """Subject lines that customers of this intent write.

    Args:
        label: One of `INTENTS`.

    Returns:
        The lines, without repeats.
    """
    return _lines(f"subjects/{label}.txt")


def _is_held_out(index: int, total: int) -> bool:
    # Evenly spread over the file, so that the two pools don't differ by when a line was written.
    return (index * HELD_OUT_PER_INTENT) // total != ((index + 1) * HELD_OUT_PER_INTENT) // total


def _pool(*, held_out: bool) -> tuple[Request, ...]:
    return tuple(
        Request(text, label)
        for label in INTENTS
        for lines in (_lines(f"{label}.txt"),)
        for index, text in enumerate(lines)
        if _is_held_out(index, len(lines)) is held_out
    )


def logged_requests() -> tuple[Request, ...]:
    """The requests that appear in the demo's logs.

    Returns:
        At least 1,500 distinct requests, by intent; the largest intent has about four times the smallest.
    """
    return _pool(held_out=False)


def held_out_requests() -> tuple[Request, ...]:
    """The requests kept for the demo's live traffic.

    Returns:
        `HELD_OUT_PER_INTENT` requests of every intent; none of them is in `logged_requests()`.
    """
    return _pool(held_out=True)
