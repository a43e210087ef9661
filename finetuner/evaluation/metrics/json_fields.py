"""JSON by content: the same value, and the share of fields that are right."""

from collections.abc import Callable, Iterator

import attrs
import msgspec

from finetuner._core import codec
from finetuner._core.types import Json
from finetuner.data.shapes import is_list, is_object
from finetuner.evaluation.metrics.grading import Case, Grade, MeanMetric

_ABSENT = object()
_DEEPEST = 64


@attrs.frozen
class JsonMatch(MeanMetric):
    """Share of answers that are the expected JSON value, whatever their spacing and the order of keys."""

    name: str = "json_match"

    def grade(self, case: Case) -> Grade:
        """1 for the same value, else 0."""
        return _grade(case, lambda wanted, given: float(field_accuracy(wanted, given) == 1))


@attrs.frozen
class JsonFields(MeanMetric):
    """Mean share of fields that are right, among all that are expected or given: an invented field is a wrong one.

    Fields are the leaves of the value, by their path; items of a list by their position. Numbers are equal by value.
    """

    name: str = "json_fields"

    def grade(self, case: Case) -> Grade:
        """The share of one answer, 0..1; 0 for what is no JSON."""
        return _grade(case, field_accuracy)


def field_accuracy(wanted: Json, given: Json) -> float:
    """Share of the leaves of two JSON values that are equal, 0..1.

    ```pycon
    >>> field_accuracy({"name": "Ann", "age": 7, "tags": ["a"]}, {"name": "Ann", "age": 8.0, "tags": ["a"]})
    0.6666666666666666

    ```
    """
    expected, found = _fields(wanted), _fields(given)
    paths = expected.keys() | found.keys()
    return sum(_same(expected.get(path, _ABSENT), found.get(path, _ABSENT)) for path in paths) / len(paths)


def _grade(case: Case, value: Callable[[Json, Json], float]) -> Grade:
    wanted, given = _read(case.expected), _read(case.answer)
    if given is None or wanted is None:
        return Grade(expected=case.expected, value=0.0, parsed=None)
    return Grade(expected=case.expected, value=value(wanted[0], given[0]), parsed=case.answer)


def _read(text: str) -> tuple[Json] | None:
    try:
        return (codec.decode(text.encode("utf-8", "replace")),)
    except (msgspec.DecodeError, RecursionError):
        return None


def _fields(value: Json) -> dict[tuple[str | int, ...], Json]:
    return dict(_leaves(value, ()))


def _leaves(value: Json, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], Json]]:
    inner: list[tuple[str | int, Json]] = []
    if is_object(value):
        inner = list(value.items())
    elif is_list(value):
        inner = list(enumerate(value))
    if not inner or len(path) >= _DEEPEST:
        yield path, value
        return
    for key, item in inner:
        yield from _leaves(item, (*path, key))


def _same(wanted: object, given: object) -> bool:
    """Equal in type and value; numbers by value alone, so that true isn't 1 but 8 is 8.0."""
    alike = type(wanted) is type(given) or (_number(wanted) and _number(given))
    return alike and wanted == given


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
