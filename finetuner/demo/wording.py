"""How customers send a written request: subject line, greeting, typing, signature, personal data."""

import random
from collections.abc import Callable
from typing import Final

from finetuner.demo.requests import Request, subjects

_SUBJECT_SHARE: Final = 0.65
_GREETING_SHARE: Final = 0.12
_CLOSING_SHARE: Final = 0.15
_TYPO_SHARE: Final = 0.15
_LOWER_SHARE: Final = 0.08
_UPPER_SHARE: Final = 0.01

_GREETINGS: Final = ("Hi,", "Hello,", "Hey there,", "Good morning,", "Dear team,", "Hi all,", "Hello again,")
_CLOSINGS: Final = (
    "Thanks",
    "Thank you!",
    "Cheers",
    "Kind regards",
    "thx",
    "Many thanks in advance",
    "Sent from my phone",
)
_NAMES: Final = (
    "Amara Osei", "Ben Whitlock", "Chiara Donati", "Deepa Raman", "Elif Kaya", "Finn Gallagher", "Greta Holm",
    "Hugo Marchand", "Ines Duarte", "Jonas Brandt", "Kasia Nowak", "Liam Prescott", "Mei Tanaka", "Noor Haddad",
)  # fmt: skip
_WORTH_MISTYPING: Final = 4


def _email(name: str, rng: random.Random) -> str:
    first, last = name.lower().split()
    return f"You can reach me at {first}.{last}{rng.randrange(10, 99)}@example.com."


def _phone(_name: str, rng: random.Random) -> str:
    # Ofcom keeps 07700 900000 to 900999 free for fiction.
    return f"Please call me on +44 7700 900{rng.randrange(1000):03d}."


def _card(_name: str, rng: random.Random) -> str:
    # Published test numbers of the card networks: they pass Luhn and belong to nobody.
    number = rng.choice(("4111 1111 1111 1111", "5555 5555 5555 4444", "4012888888881881"))
    return f"The card I used is {number}."


def _iban(_name: str, rng: random.Random) -> str:
    # Example IBANs from the registry's documentation: their check digits are right.
    number = rng.choice(("GB82 WEST 1234 5698 7654 32", "GB82WEST12345698765432", "DE89370400440532013000"))
    return f"My bank account is {number}."


def _order(_name: str, rng: random.Random) -> str:
    return f"Order number HB-{rng.randrange(100_000, 999_999)}."


PERSONAL_DATA: Final[dict[str, Callable[[str, random.Random], str]]] = {
    "email": _email,
    "phone": _phone,
    "card": _card,
    "iban": _iban,
    "order": _order,
}
"""Kinds of personal data that a request may carry, and what writes the sentence."""


def mistype(text: str, rng: random.Random) -> str:
    """The text with two neighboring letters of one longer word swapped.

    Args:
        text: What to change.
        rng: The source of chance.

    Returns:
        The changed text; the same text where no word is long enough.
    """
    words = text.split(" ")
    places = [place for place, word in enumerate(words) if len(word) > _WORTH_MISTYPING and word.isalpha()]
    if not places:
        return text
    place = rng.choice(places)
    word = words[place]
    at = rng.randrange(1, len(word) - 2)
    words[place] = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    return " ".join(words)


def sign(text: str, kind: str, rng: random.Random) -> str:
    """The text followed by personal data and a name.

    Args:
        text: The request.
        kind: A key of `PERSONAL_DATA`.
        rng: The source of chance.

    Returns:
        The signed request.
    """
    name = rng.choice(_NAMES)
    return f"{text}\n{PERSONAL_DATA[kind](name, rng)}\n{name}"


def dress(request: Request, rng: random.Random) -> str:
    """The request as one customer would send it through the contact form.

    Args:
        request: The written request.
        rng: The source of chance.

    Returns:
        Its text with a subject line, a greeting, a closing, a typing mistake, or other casing, each by chance.
    """
    text = request.text
    if rng.random() < _TYPO_SHARE:
        text = mistype(text, rng)
    if rng.random() < _LOWER_SHARE:
        text = text.lower()
    elif rng.random() < _UPPER_SHARE:
        text = text.upper()
    if rng.random() < _GREETING_SHARE:
        text = f"{rng.choice(_GREETINGS)} {text}"
    if rng.random() < _CLOSING_SHARE:
        text = f"{text}\n{rng.choice(_CLOSINGS)}"
    if rng.random() < _SUBJECT_SHARE:
        text = f"{rng.choice(subjects(request.label))}\n{text}"
    return text
