"""MMLU: questions of 57 subjects with four options (Hendrycks et al. 2021, arXiv 2009.03300).

```pycon
>>> from pathlib import Path
>>> fields = {"question": "2 + 2?", "subject": "arithmetic", "choices": ["3", "4", "5", "6"], "answer": 1}
>>> example = example_of(Record(fields, Path("f"), 1))
>>> print(example.user_text)
2 + 2?
<BLANKLINE>
A. 3
B. 4
C. 5
D. 6
<BLANKLINE>
Answer with the letter alone.
>>> example.completion, example.metadata["subject"]
('B', 'arithmetic')

```

The model writes its letter, as tuned models are used; harnesses that compare the probabilities of the four letters give
other numbers. Subjects become slices of a comparison.
"""

from typing import Final

import attrs

from finetuner.data.examples import Example
from finetuner.evaluation.benchmarks.reading import Record, choices

NAME: Final = "mmlu"
HUB: Final = ("cais/mmlu", "all", "test")
METRICS: Final = ("choice",)
PARTS: Final = ("capability",)

_INSTRUCTION = "Answer with the letter alone."


def example_of(record: Record) -> Example:
    """The question with its options, and the letter of the right one."""
    options, right = record.texts("choices"), record.whole("answer")
    if right >= len(options):
        raise record.wrong("answer", f"there is no option {right}")
    example = choices(record.text("question"), options, right, _INSTRUCTION)
    return attrs.evolve(example, metadata={"subject": str(record.fields.get("subject", ""))})
