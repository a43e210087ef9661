"""What a metric is: it grades one answer at a time and sums the grades up with intervals."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import attrs

from finetuner.data.examples import Example
from finetuner.errors import UsageError
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.evaluation.statistics.proportions import wilson
from finetuner.evaluation.statistics.resampling import bootstrap_mean

MetricFunction = Callable[[str, str, Example], float]
"""A user's own metric: `f(expected, answer, example)` gives a number, 1 for right where it is binary."""


@attrs.frozen
class Case:
    """One answer to be graded.

    Attributes:
        expected: The label of a classifier, else the completion.
        answer: What the model wrote; empty for a refusal.
        example: The whole example.
    """

    expected: str
    answer: str
    example: Example


@attrs.frozen(kw_only=True)
class Grade:
    """One answer, graded.

    Attributes:
        expected: What was asked for, as the metric compares it.
        value: 0 for wrong, 1 for right, or any number that the metric defines.
        parsed: What was read from the answer; None where nothing could be read (the answer is then wrong).
    """

    expected: str
    value: float
    parsed: str | None


@runtime_checkable
class Metric(Protocol):
    """Grades answers and sums them up. Pure: the same answers give the same numbers."""

    @property
    def name(self) -> str:
        """Name in results, such as `exact_match`."""
        ...

    def grade(self, case: Case) -> Grade:
        """The grade of one answer. Never raises because of what the model wrote."""
        ...

    def summarize(self, grades: Sequence[Grade]) -> Mapping[str, Estimate]:
        """Values with their intervals, by name. There is at least one grade."""
        ...


class MeanMetric:
    """A metric whose value is the mean of its grades; a subclass says how to grade."""

    __slots__ = ()

    name: str

    def summarize(self, grades: Sequence[Grade]) -> Mapping[str, Estimate]:
        """The mean with its interval."""
        return {self.name: mean([grade.value for grade in grades])}


@attrs.frozen
class FunctionMetric(MeanMetric):
    """A metric made of a function `f(expected, answer, example) -> float`.

    Attributes:
        name: The function's name.
    """

    name: str
    _function: MetricFunction

    def grade(self, case: Case) -> Grade:
        """What the function says.

        Raises:
            UsageError: It didn't return a number.
        """
        value = self._function(case.expected, case.answer, case.example)
        try:
            return Grade(expected=case.expected, value=float(value), parsed=case.answer)
        except (TypeError, ValueError) as error:
            raise UsageError(f"metric {self.name} returned {value!r}; it must return a number") from error


def mean(values: Sequence[float]) -> Estimate:
    """The mean: with Wilson's interval where all values are 0 or 1, else with a seeded bootstrap's."""
    if binary(values):
        return wilson(int(sum(values)), len(values))
    return bootstrap_mean(values)


def binary(values: Sequence[float]) -> bool:
    """Whether all values are 0 or 1."""
    return all(value in {0.0, 1.0} for value in values)
