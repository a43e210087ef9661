"""HellaSwag: which of four endings goes on with a scene (Zellers et al. 2019, arXiv 1905.07830).

```pycon
>>> from pathlib import Path
>>> fields = {"ctx": "She opens the tap. Then", "endings": ["she sleeps.", "water runs."], "label": "1"}
>>> example = example_of(Record(fields, Path("f"), 1))
>>> print(example.user_text)
She opens the tap. Then
<BLANKLINE>
A. she sleeps.
B. water runs.
<BLANKLINE>
Which ending continues the text? Answer with the letter alone.
>>> example.completion
'B'

```
"""

from typing import Final

from finetuner.data.examples import Example
from finetuner.evaluation.benchmarks.reading import Record, choices

NAME: Final = "hellaswag"
HUB: Final = ("Rowan/hellaswag", None, "validation")
METRICS: Final = ("choice",)
PARTS: Final = ("capability",)

_INSTRUCTION = "Which ending continues the text? Answer with the letter alone."


def example_of(record: Record) -> Example:
    """The scene with its endings, and the letter of the right one."""
    endings, right = record.texts("endings"), record.whole("label")
    if right >= len(endings):
        raise record.wrong("label", f"there is no ending {right}")
    return choices(record.text("ctx"), endings, right, _INSTRUCTION)
