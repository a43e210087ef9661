"""SQuAD 1.1: the answer is a span of a paragraph (Rajpurkar et al. 2016, arXiv 1606.05250).

```pycon
>>> from pathlib import Path
>>> answers = {"text": ["Denver Broncos", "The Denver Broncos"]}
>>> fields = {"context": "Denver beat Carolina.", "question": "Who won?", "answers": answers}
>>> example = example_of(Record(fields, Path("f"), 1))
>>> example.completion
'Denver Broncos'
>>> from finetuner.evaluation.metrics.grading import Case
>>> from finetuner.evaluation.metrics.references import ReferenceExact, ReferenceF1
>>> case = Case(example.completion, "the Denver Broncos!", example)
>>> ReferenceExact().grade(case).value, ReferenceF1().grade(case).value
(1.0, 1.0)

```
"""

from typing import Final

from finetuner.data.examples import Example, assistant, user
from finetuner.evaluation.benchmarks.reading import Record
from finetuner.evaluation.metrics.references import REFERENCES

NAME: Final = "squad"
HUB: Final = ("rajpurkar/squad", None, "validation")
METRICS: Final = ("reference_f1", "reference_exact")
PARTS: Final = ("capability", "format")

_INSTRUCTION = "Answer with the shortest span of the text that answers the question, and nothing else."


def example_of(record: Record) -> Example:
    """The paragraph with its question; all accepted answers stand in the metadata."""
    references = record.inner("answers").texts("text")
    told = f"{record.text('context')}\n\nQuestion: {record.text('question')}\n\n{_INSTRUCTION}"
    return Example(messages=(user(told), assistant(references[0])), metadata={REFERENCES: references})
