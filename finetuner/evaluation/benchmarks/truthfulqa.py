"""TruthfulQA with one right answer (MC1): what people often get wrong (Lin et al. 2022, arXiv 2109.07958).

```pycon
>>> from pathlib import Path
>>> targets = {"choices": ["Nothing happens", "You turn to stone"], "labels": [1, 0]}
>>> example = example_of(Record({"question": "What if you look back?", "mc1_targets": targets}, Path("f"), 1))
>>> shown = example.user_text.splitlines()[2:4]
>>> [line[3:] for line in shown if line.startswith(example.completion)]
['Nothing happens']

```

In the file the right answer always comes first; here the order of each question's options is decided by their text, so
that a model that always says "A" gains nothing.
"""

from typing import Final

from finetuner._core.hashing import sha256
from finetuner._core.types import Json
from finetuner.data.examples import Example
from finetuner.data.shapes import is_list
from finetuner.evaluation.benchmarks.reading import LETTERS, Record, choices

NAME: Final = "truthfulqa"
HUB: Final = ("truthfulqa/truthful_qa", "multiple_choice", "validation")
METRICS: Final = ("choice",)
PARTS: Final = ("capability",)

_INSTRUCTION = "Answer with the letter alone."


def example_of(record: Record) -> Example:
    """The question with its options in an order of their own, and the letter of the true one."""
    targets = record.inner("mc1_targets")
    options, labels = targets.texts("choices"), _labels(targets)
    if len(options) > len(LETTERS):  # the true one is the first: the last of too many false ones go
        options, labels = options[: len(LETTERS)], labels[: len(LETTERS)]
    if sum(labels) != 1 or len(labels) != len(options):
        raise record.wrong("mc1_targets", "exactly one option must be labeled 1")
    question = record.text("question")
    order = sorted(range(len(options)), key=lambda i: sha256(f"{question}\x1f{options[i]}".encode()))
    return choices(question, [options[i] for i in order], order.index(labels.index(1)), _INSTRUCTION)


def _labels(targets: Record) -> list[int]:
    value: Json = targets.fields.get("labels")
    return [int(label == 1) for label in value] if is_list(value) else []
