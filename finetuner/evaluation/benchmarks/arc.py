"""ARC Challenge: science questions of school exams (Clark et al. 2018, arXiv 1803.05457).

```pycon
>>> from pathlib import Path
>>> options = {"text": ["wood", "iron"], "label": ["1", "2"]}
>>> example = example_of(Record({"question": "What rusts?", "choices": options, "answerKey": "2"}, Path("f"), 1))
>>> print(example.user_text)
What rusts?
<BLANKLINE>
A. wood
B. iron
<BLANKLINE>
Answer with the letter alone.
>>> example.completion
'B'

```

Some questions number their options and some have three or five: all are shown as letters.
"""

from typing import Final

from finetuner.data.examples import Example
from finetuner.evaluation.benchmarks.reading import Record, choices

NAME: Final = "arc"
HUB: Final = ("allenai/ai2_arc", "ARC-Challenge", "test")
METRICS: Final = ("choice",)
PARTS: Final = ("capability",)

_INSTRUCTION = "Answer with the letter alone."


def example_of(record: Record) -> Example:
    """The question with its options, and the letter of the right one."""
    given = record.inner("choices")
    labels, key = given.texts("label"), record.text("answerKey")
    if key not in labels:
        raise record.wrong("answerKey", f"{key!r} is none of the options' labels")
    return choices(record.text("question"), given.texts("text"), labels.index(key), _INSTRUCTION)
