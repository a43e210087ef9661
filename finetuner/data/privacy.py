"""Personal data and secrets with a recognizable form, found and replaced.

Found are: e-mail addresses, telephone numbers, payment cards, IBANs, US social security numbers, IP addresses, and
secrets (API keys by their prefix, JSON web tokens, private keys, passwords in URLs). **Names and postal addresses are
not found**: they have no form, and need a model for named entities.

Every pattern is bounded, so that hostile text takes linear time.
"""

import ipaddress
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import attrs

from finetuner._core import codec
from finetuner._core.types import Json
from finetuner.data.examples import Example, MediaPart, Message, Part, TextPart, ToolCall
from finetuner.data.shapes import is_list, is_object

NOT_FOUND: Final = "Names and postal addresses are not found: they have no recognizable form."
"""What every report of this module has to say."""

SECRETS: Final = frozenset({"SECRET", "CREDENTIALS", "PRIVATE_KEY"})
"""Kinds that open something, rather than say something about a person."""

_IBAN_LENGTHS: Final = range(15, 35)
_CARD_LENGTHS: Final = range(13, 20)
_VOID_SSN: Final = frozenset({"078051120", "219099999"})
_END_OF_KEY: Final = "PRIVATE KEY-----"


@attrs.frozen
class PersonalData:
    """A piece of text that says something about a person, or opens something.

    Attributes:
        kind: `EMAIL`, `PHONE`, `CARD`, `IBAN`, `SSN`, `IP`, `SECRET`, `CREDENTIALS` or `PRIVATE_KEY`.
        start: Offset of the first character.
        end: Offset behind the last character.
    """

    kind: str
    start: int
    end: int


def luhn_valid(text: str) -> bool:
    """Whether the digits of a card number pass the Luhn check (ISO/IEC 7812); spaces and hyphens don't count."""
    digits = [int(character) for character in text if character.isdecimal()]
    doubled = [digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2]]  # noqa: PLR2004 - the algorithm's carry
    return bool(digits) and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def iban_valid(text: str) -> bool:
    """Whether an IBAN's check digits are right (ISO 13616: the rearranged number is 1 modulo 97)."""
    compact = "".join(text.split())
    if len(compact) not in _IBAN_LENGTHS or not (compact.isascii() and compact.isalnum()):
        return False
    return int("".join(str(int(character, 36)) for character in compact[4:] + compact[:4])) % 97 == 1


def ssn_plausible(text: str) -> bool:
    """Whether a US social security number could have been issued: no void number, no range that was never used."""
    digits = "".join(character for character in text if character.isdecimal())
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return (
        len(digits) == len("123456789")
        and digits not in _VOID_SSN
        and area not in {"000", "666"}
        and not area.startswith("9")
        and group != "00"
        and serial != "0000"
    )


def _card(text: str) -> bool:
    digits = sum(character.isdecimal() for character in text)
    return digits in _CARD_LENGTHS and text[0] in "23456" and luhn_valid(text)


def _address(text: str) -> bool:
    if ":" in text and not any(character.isdecimal() for character in text):
        return False  # "dead::beef" is a valid address, and far more often code
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _always(text: str) -> bool:
    return bool(text)


def _holds(*signs: str) -> Callable[[str], bool]:
    """Whether a text holds one of some strings."""
    return lambda text: any(sign in text for sign in signs)


def _holds_numbers(text: str) -> bool:
    """Whether a text may hold a card, a telephone number, or another long number."""
    colons = "::" in text or text.count(":") >= _COLONS_IN_ADDRESS
    return colons or _LONG_NUMBER.search(text) is not None


def _holds_account(text: str) -> bool:
    """Whether a text holds what an IBAN begins with; digits are rarer than letters, so they are looked for."""
    return _ACCOUNT.search(text) is not None


_Form = tuple[str, re.Pattern[str], Callable[[str], bool]]
_KEY_BEGINS: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----")
_COLONS_IN_ADDRESS: Final = 7
_ACCOUNT: Final = re.compile(r"[0-9](?<=[A-Z]{2}[0-9])[0-9]")
_LONG_NUMBER: Final = re.compile(r"[0-9](?:[ .()-]{0,2}[0-9]){7}|[0-9](?:\.[0-9]{1,3}){3}")

# Each pattern is tried only where a cheap test finds what it can't do without. Patterns begin with what they consume,
# and look behind it: so the search jumps from digit to digit, not from character to character.
_FORMS: Final[tuple[tuple[Callable[[str], bool], tuple[_Form, ...]], ...]] = (
    (
        _holds("://"),
        (("CREDENTIALS", re.compile(r"(?<=://)[^\s:/@]{1,128}:[^\s@/]{1,128}(?=@)"), _always),),
    ),
    (
        _holds("eyJ"),
        (("SECRET", re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.eyJ[\w-]{4,}\.[\w-]{8,}"), _always),),
    ),
    (
        _holds("sk-", "xox", "glpat-"),
        (("SECRET", re.compile(r"(?<![\w-])(?:sk-|xox[abpr]-|glpat-)[A-Za-z0-9_-]{16,}"), _always),),
    ),
    (
        _holds("_"),
        (("SECRET", re.compile(r"(?<![\w-])(?:gh[pousr]_|github_pat_|hf_)[A-Za-z0-9_]{20,}"), _always),),
    ),
    (
        _holds("AKIA", "ASIA"),
        (("SECRET", re.compile(r"(?<![\w-])(?:AKIA|ASIA)[A-Z0-9]{16}(?!\w)"), _always),),
    ),
    (
        _holds("AIza"),
        (("SECRET", re.compile(r"(?<![\w-])AIza[\w-]{35}"), _always),),
    ),
    (
        _holds("@"),
        (
            (
                "EMAIL",
                re.compile(
                    r"(?<![\w.%+-])[\w][\w.%+-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})\.){1,8}[A-Za-z]{2,24}(?![\w-])"
                ),
                _always,
            ),
        ),
    ),
    (
        _holds_account,
        (
            (
                "IBAN",
                re.compile(
                    r"[A-Z](?<!\w[A-Z])[A-Z][0-9]{2}"
                    r"(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)(?!\w)"
                ),
                iban_valid,
            ),
        ),
    ),
    (
        _holds_numbers,
        (
            ("CARD", re.compile(r"[0-9](?<![\w-][0-9])(?:[ -]?[0-9]){12,18}(?![\w-])"), _card),
            ("SSN", re.compile(r"[0-9](?<![\w-][0-9])[0-9]{2}-[0-9]{2}-[0-9]{4}(?![\w-])"), ssn_plausible),
            (
                "IP",
                re.compile(r"[0-9](?<![\w.][0-9])[0-9]{0,2}\.(?:[0-9]{1,3}\.){2}[0-9]{1,3}(?![\w]|\.[0-9])"),
                _address,
            ),
            ("IP", re.compile(r"(?<![\w:.])(?=[0-9A-Fa-f]{0,4}:)[0-9A-Fa-f:]{3,39}(?![\w:])"), _address),
            ("PHONE", re.compile(r"\+(?<![\w+]\+)[0-9](?:[ .()-]{0,2}[0-9]){7,14}(?![0-9])"), _always),
            (
                "PHONE",
                re.compile(
                    r"(?<![\w.+-])(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])"
                    r"[2-9][0-9]{2}[ .-][0-9]{4}(?![\w-])"
                ),
                _always,
            ),
        ),
    ),
)
_PLACEHOLDER: Final = re.compile(r"<([A-Z_]{2,12})_([0-9]{1,6})>")


def find(text: str) -> tuple[PersonalData, ...]:
    """All personal data and secrets of a recognizable form, in order, without overlaps."""
    found = list(_private_keys(text)) if _END_OF_KEY in text else []
    for may_hold, forms in _FORMS:
        if may_hold(text):
            for kind, pattern, valid in forms:
                found += _of_form(kind, pattern, valid, text, found)
    return tuple(sorted(found, key=lambda data: data.start))


def _of_form(
    kind: str, pattern: re.Pattern[str], valid: Callable[[str], bool], text: str, found: Sequence[PersonalData]
) -> list[PersonalData]:
    """What has a form, and overlaps nothing that was found before."""
    matches = [match for match in pattern.finditer(text) if valid(match[0])]
    free = _Free(found) if matches else None
    return [
        PersonalData(kind, match.start(), match.end())
        for match in matches
        if free is not None and free(match.start(), match.end())
    ]


def _private_keys(text: str) -> Iterator[PersonalData]:
    """Key blocks; one that doesn't end reaches to the end of the text."""
    start = 0
    while (begins := _KEY_BEGINS.search(text, start)) is not None:
        ends = text.find(_END_OF_KEY, begins.end())
        start = len(text) if ends < 0 else ends + len(_END_OF_KEY)
        yield PersonalData("PRIVATE_KEY", begins.start(), start)


class _Free:
    """Whether a span overlaps none that were found before."""

    def __init__(self, found: Sequence[PersonalData]) -> None:
        self._taken = sorted(found, key=lambda data: data.start)
        self._starts = [data.start for data in self._taken]

    def __call__(self, start: int, end: int) -> bool:
        place = bisect_right(self._starts, start)
        before = place == 0 or self._taken[place - 1].end <= start
        return before and (place == len(self._taken) or self._taken[place].start >= end)


class _Redactor:
    """Replaces values by placeholders; the same value gets the same one, new ones are numbered on."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self._counts: Counter[str] = Counter()

    def reserve(self, text: str) -> None:
        """Keep numbers free that the text uses already."""
        for kind, number in _PLACEHOLDER.findall(text):
            self._counts[kind] = max(self._counts[kind], int(number))

    def text(self, text: str) -> str:
        while found := find(text):  # again: what a neighbor covered may only now stand free
            text = self._replaced(text, found)
        return text

    def _replaced(self, text: str, found: tuple[PersonalData, ...]) -> str:
        pieces: list[str] = []
        done = 0
        for data in found:
            pieces += [text[done : data.start], self._name(data.kind, text[data.start : data.end])]
            done = data.end
        return "".join([*pieces, text[done:]])

    def _name(self, kind: str, value: str) -> str:
        if (kind, value) not in self._names:
            self._counts[kind] += 1
            self._names[kind, value] = f"<{kind}_{self._counts[kind]}>"
        return self._names[kind, value]

    def json(self, value: Json) -> Json:
        if isinstance(value, str):
            return self.text(value)
        if is_object(value):
            return {key: self.json(item) for key, item in value.items()}
        if is_list(value):
            return [self.json(item) for item in value]
        return value

    def message(self, message: Message) -> Message:
        content = message.content
        return attrs.evolve(
            message,
            content=tuple(self._part(part) for part in content)
            if isinstance(content, tuple)
            else content and self.text(content),
            name=message.name and self.text(message.name),
            tool_calls=tuple(self._call(call) for call in message.tool_calls),
        )

    def _part(self, part: Part) -> Part:
        if isinstance(part, TextPart):
            return attrs.evolve(part, text=self.text(part.text))
        return part if part.uri.startswith("data:") else attrs.evolve(part, uri=self.text(part.uri))

    def _call(self, call: ToolCall) -> ToolCall:
        if not find(call.arguments):
            return call
        try:
            arguments = codec.encode(self.json(codec.decode(call.arguments))).decode()
        except ValueError:  # not JSON, as models sometimes write: still text to redact
            arguments = call.arguments
        return attrs.evolve(call, arguments=self.text(arguments))


def redact(text: str) -> str:
    """The text with personal data replaced by `<EMAIL_1>`, `<PHONE_1>` and so on; the same value gets the same name."""
    redactor = _Redactor()
    redactor.reserve(text)
    return redactor.text(text)


def redact_example(example: Example) -> Example:
    """The example with personal data replaced in all messages, tool calls and metadata.

    A value has the same placeholder wherever it stands in the example. Names and postal addresses are not found.
    """
    redactor = _Redactor()
    for text in texts(example):
        redactor.reserve(text)
    return attrs.evolve(
        example,
        messages=tuple(redactor.message(message) for message in example.messages),
        preferred=example.preferred and redactor.message(example.preferred),
        rejected=example.rejected and redactor.message(example.rejected),
        metadata={key: redactor.json(value) for key, value in example.metadata.items()},
    )


def texts(example: Example) -> Iterator[str]:
    """All text of an example: messages, answers in comparison, tool calls, and metadata as JSON."""
    answers = [answer for answer in (example.preferred, example.rejected) if answer is not None]
    for message in (*example.messages, *answers):
        yield message.text
        yield from (call.arguments for call in message.tool_calls)
        if isinstance(message.content, tuple):
            yield from (part.uri for part in message.content if isinstance(part, MediaPart) and part.uri[:5] != "data:")
    if example.metadata:
        yield codec.encode(dict(example.metadata)).decode()
