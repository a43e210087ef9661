"""Token F1: overlap of words between the expected and the given text, as in SQuAD."""

import re
import string
from collections import Counter

import attrs

from finetuner.evaluation.metrics.grading import Case, Grade, MeanMetric

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@attrs.frozen
class TokenF1(MeanMetric):
    """Harmonic mean of precision and recall over words; English articles, punctuation and case don't count.

    Source: Rajpurkar et al. 2016, arXiv 1606.05250, section 6.1.
    """

    name: str = "token_f1"

    def grade(self, case: Case) -> Grade:
        """The F1 of one answer, 0..1; two empty texts are equal."""
        return Grade(expected=case.expected, value=token_f1(case.expected, case.answer), parsed=case.answer)


def token_f1(expected: str, answer: str) -> float:
    """F1 of the words of two texts, 0..1.

    ```pycon
    >>> token_f1("the cat sat", "A cat sat down")
    0.8

    ```
    """
    wanted, given = words(expected), words(answer)
    if not wanted or not given:
        return float(wanted == given)
    shared = (Counter(wanted) & Counter(given)).total()
    return 2 * shared / (len(wanted) + len(given))


def words(text: str) -> list[str]:
    """The words of a text, without English articles, punctuation and case."""
    return _ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split()
