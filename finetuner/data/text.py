"""Texts brought to one form, so that copies that only look different compare equal."""

import re
import unicodedata
from collections.abc import Iterable

from finetuner.data.examples import Example

SYSTEM_ROLES = frozenset({"system", "developer"})
"""Roles of instructions."""

_BETWEEN_WORDS = re.compile(r"[\W_]+")
_ROWS_PER_TEMPLATE = 10


def normalize(text: str) -> str:
    """The text in NFKC, case folded, runs of white space as one space, ends stripped."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def plain(text: str) -> str:
    """The normalized text with only letters and digits left, one space between words."""
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
    """What is asked in each example, without the instructions that all rows share.

    System texts are left out where few different ones serve many rows (templates), and kept where most rows
    have their own, as when the document to work on stands there.
    """
    pairs = [(turns_text(example), example.system or "") for example in examples]
    different = len({system for _, system in pairs})
    if different <= max(1, len(pairs) // _ROWS_PER_TEMPLATE):
        return [turns for turns, _ in pairs]
    return [f"{system}\n{turns}" if system != turns else turns for turns, system in pairs]
