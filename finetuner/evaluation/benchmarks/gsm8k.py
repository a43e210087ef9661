r"""GSM8K: grade-school word problems whose answer is one number (Cobbe et al. 2021, arXiv 2110.14168).

A line of the file, and how answers to it are graded:

```pycon
>>> from pathlib import Path
>>> record = Record({"question": "3 boxes of 4 pens?", "answer": "<<3*4=12>>12\n#### 12"}, Path("f"), 1)
>>> example = example_of(record)
>>> example.completion
'#### 12'
>>> from finetuner.evaluation.metrics.grading import Case
>>> from finetuner.evaluation.metrics.harness import HarnessFlexible, HarnessStrict
>>> for answer in ("There are 12 pens.", "There are 12 pens.\n#### 12"):
...     case = Case(example.completion, answer, example)
...     print(HarnessFlexible().grade(case).value, HarnessStrict().grade(case).value)
1.0 0.0
1.0 1.0

```

Two numbers are reported, because extraction decides the score: *capability* takes the last number of the answer,
*format* only the one after `####`. A tuned model may keep the first and lose the second. Both are counted as
lm-evaluation-harness counts them.
"""

from typing import Final

from finetuner.data.examples import Example, assistant, user
from finetuner.evaluation.benchmarks.reading import Record
from finetuner.evaluation.metrics.numeric import strict_number

NAME: Final = "gsm8k"
HUB: Final = ("openai/gsm8k", "main", "test")
METRICS: Final = ("gsm8k_flexible", "gsm8k_strict")
PARTS: Final = ("capability", "format")

_INSTRUCTION = 'Solve the problem step by step. End with a line "#### " and the final number alone.'


def example_of(record: Record) -> Example:
    """The prompt and the expected `#### number` of a record; its worked solution isn't shown to the model."""
    number = strict_number(record.text("answer"))
    if number is None:
        raise record.wrong("answer", 'no final "#### number"')
    return Example(messages=(user(f"{record.text('question')}\n\n{_INSTRUCTION}"), assistant(f"#### {number}")))
