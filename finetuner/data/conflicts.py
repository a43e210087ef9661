"""The same request with different answers."""

from collections import defaultdict
from collections.abc import Callable
from hashlib import sha256
from itertools import chain
from typing import Final

import attrs

from finetuner.data.examples import Example
from finetuner.data.labels import LabelSet, written_label
from finetuner.data.text import normalize, turns_text

_LONGEST_KEPT: Final = 200


@attrs.frozen(kw_only=True)
class Conflict:
    """The same request with different answers.

    Attributes:
        request: The normalized request.
        answers: The different answers.
        rows: 0-based rows that have the request.
        lines: 1-based lines where they stand.
    """

    request: str
    answers: tuple[str, ...]
    rows: tuple[int, ...]
    lines: tuple[int, ...]


class ConflictFinder:
    """Finds conflicts among rows that go by one after the other; of long texts it keeps hashes."""

    def __init__(self) -> None:
        self._answers: defaultdict[bytes, dict[str, list[int]]] = defaultdict(dict)

    def add(self, row: int, example: Example) -> None:
        """Take note of a row."""
        request = _digest(f"{example.system or ''}\0{normalize(turns_text(example))}")
        answer = written_label(example)
        key = answer if len(answer) <= _LONGEST_KEPT else _digest(normalize(answer)).hex()
        self._answers[request].setdefault(key, []).append(row)

    def report(
        self, example: Callable[[int], Example], line: Callable[[int], int], labels: LabelSet | None
    ) -> tuple[Conflict, ...]:
        """Requests with more than one answer; case, white space, and spellings of a label aside.

        Args:
            example: Gives a row's example again.
            line: Gives a row's line.
            labels: The labels, where the answers are labels.
        """
        found: list[Conflict] = []
        for answers in self._answers.values():
            merged: defaultdict[str, list[int]] = defaultdict(list)
            for answer, members in answers.items():
                usual = None if labels is None else labels.usual(answer)
                merged[normalize(usual or answer)] += members
            if len(merged) > 1:
                rows = sorted(chain.from_iterable(merged.values()))
                found.append(
                    Conflict(
                        request=normalize(turns_text(example(rows[0]))),
                        answers=tuple(normalize(example(members[0]).label) for members in merged.values()),
                        rows=tuple(rows),
                        lines=tuple(map(line, rows)),
                    )
                )
        return tuple(found)


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]
