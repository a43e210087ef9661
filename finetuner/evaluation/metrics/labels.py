"""Reading a label from an answer without guessing."""

import re
import unicodedata
from collections.abc import Iterable

import attrs

_MARKS = " \t\n\r.,;:!?\"'`*()[]{}<>“”‘’«»"
_MOST_LABELS = 500
_LONGEST_LABEL = 80
_MOST_NUMBERS = 20


def normalize(text: str) -> str:
    """A label's text for comparison: Unicode NFKC, case folded, white space collapsed, marks at both ends removed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(_MARKS)


def _sorted(labels: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(labels)))


def _index(labels: Iterable[str]) -> dict[str, str | None]:
    index: dict[str, str | None] = {}
    for label in labels:
        text = normalize(label)
        index[text] = None if text in index else label  # two labels that read alike: only their exact texts count
    return index


def _any_of(labels: Iterable[str]) -> re.Pattern[str]:
    texts = {normalize(label) for label in labels} - {""}
    words = "|".join(map(re.escape, sorted(texts, key=len, reverse=True))) or "(?!)"  # longest first
    return re.compile(rf"(?<!\w)(?:{words})(?!\w)")


@attrs.frozen
class LabelReader:
    """Reads one of a closed set of labels from an answer.

    An answer that is a label (after `normalize`) is that label. Otherwise, exactly one label must occur in it as a
    whole word (or words): none or several give None. Labels inside longer labels don't count on their own.

    ```pycon
    >>> reader = LabelReader(["billing", "bug", "bug report"])
    >>> reader.read("Billing."), reader.read("I'd say: bug report"), reader.read("billing or bug")
    ('billing', 'bug report', None)

    ```

    Attributes:
        labels: The closed set, sorted.
    """

    labels: tuple[str, ...] = attrs.field(converter=_sorted)
    _by_text: dict[str, str | None] = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(lambda self: _index(self.labels), takes_self=True)
    )
    _pattern: re.Pattern[str] = attrs.field(
        init=False, repr=False, eq=False, default=attrs.Factory(lambda self: _any_of(self.labels), takes_self=True)
    )

    def read(self, answer: str) -> str | None:
        """The label that the answer gives, or None where it gives none or several."""
        if answer in self.labels:
            return answer
        text = normalize(answer)
        if text in self._by_text:
            return self._by_text[text]
        found = {match.group() for match in self._pattern.finditer(text)}
        return self._by_text[found.pop()] if len(found) == 1 else None


def closed_set(labels: Iterable[str]) -> tuple[str, ...] | None:
    """The distinct labels, sorted, where they look like classes; None where they look like free text.

    Classes are short, on one line, aren't JSON, and repeat: at most half as many classes as rows, at most 500, and at
    most 20 where all are numbers.
    """
    given = list(labels)
    distinct = sorted(set(given))
    if not distinct or 2 * len(distinct) > len(given) or len(distinct) > _MOST_LABELS:
        return None
    if not all(_class_like(label) for label in distinct):
        return None
    if len(distinct) > _MOST_NUMBERS and all(_numeric(label) for label in distinct):
        return None
    return tuple(distinct)


def _class_like(label: str) -> bool:
    return 0 < len(label.strip()) <= _LONGEST_LABEL and "\n" not in label and label.lstrip()[0] not in "{["


def _numeric(label: str) -> bool:
    return re.fullmatch(r"[-+]?[\d.,]+", label.strip()) is not None
