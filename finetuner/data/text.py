"""Texts brought to one form, so that copies that only look different compare equal."""

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from finetuner.data.examples import Example

SYSTEM_ROLES = frozenset({"system", "developer"})
"""Roles of instructions."""

SIMPLE = bytes(range(256)).lower().translate(bytes(n if chr(n).isalnum() or n >> 7 else 0x20 for n in range(256)))
"""What a byte of UTF-8 becomes: ASCII letters small, ASCII signs a space, others stay."""

_BETWEEN_WORDS = re.compile(r"[\W_]+")
_ROWS_PER_TEMPLATE = 10


@lru_cache(maxsize=16)  # the questions of one pass ask it of the same few texts
def normalize(text: str) -> str:
    """The text in NFKC, case folded, runs of white space as one space, ends stripped."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def plain(text: str) -> str:
    """The normalized text with only letters and digits left, one space between words."""
    if text.isascii():  # the same, at a fifth of the time
        return b" ".join(text.encode().translate(SIMPLE).split()).decode()
    return _BETWEEN_WORDS.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def shorten(text: str, width: int) -> str:
    """The text on one line, at most `width` characters, cut with an ellipsis."""
    line = " ".join(text.split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


def turns_text(example: Example) -> str:
    """The prompt without system messages; the system text where there is nothing else."""
    turns = [message.text for message in example.prompt if message.role not in SYSTEM_ROLES]
    return "\n".join(turns) if turns else (example.system or "")


def request_texts(examples: Iterable[Example]) -> list[str]:
    """What is asked in each example, without the instructions that all rows share. See `system_counts`."""
    held = list(examples)
    counts = system_counts(example.system or "" for example in held)
    return [request_text(example, with_system=counts) for example in held]


def request_text(example: Example, *, with_system: bool) -> str:
    """What is asked in an example, with or without its system text."""
    turns, first = turns_text(example), example.system or ""
    return f"{first}\n{turns}" if with_system and first != turns else turns


def system_counts(systems: Iterable[str]) -> bool:
    """Whether system texts are part of what is asked.

    They aren't where few different ones serve many rows (templates); they are where most rows have their own, as when
    the document to work on stands there.
    """
    held = list(systems)
    return len(set(held)) > max(1, len(held) // _ROWS_PER_TEMPLATE)
