"""IFEval-style format checks: does the model still do what it is told (Zhou et al. 2023, arXiv 2311.07911)?

```pycon
>>> from pathlib import Path
>>> fields = {"prompt": "No commas.", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{}]}
>>> example = example_of(Record(fields, Path("f"), 1))
>>> from finetuner.evaluation.metrics.grading import Case
>>> [Obedience().grade(Case("", answer, example)).value for answer in ("Yes", "Well, yes", "")]
[1.0, 0.0, 0.0]

```

Two numbers: prompts all of whose instructions are obeyed, and instructions obeyed. Checks follow the paper's rules in
code of our own; numbers are for comparing a tuned model with its base, not for a leaderboard.
"""

from typing import Final

import attrs

from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Example, assistant, user
from finetuner.data.shapes import is_list, is_object
from finetuner.evaluation.benchmarks.instructions import CHECKS, obeys
from finetuner.evaluation.benchmarks.reading import Record
from finetuner.evaluation.metrics.grading import Case, Grade, MeanMetric

NAME: Final = "ifeval"
HUB: Final = ("google/IFEval", None, "train")
PARTS: Final = ("format", "instructions")

_INSTRUCTIONS: Final = "instructions"


def _named(metric: "Obedience") -> str:
    return "instructions_obeyed" if metric.each else "prompts_obeyed"


@attrs.frozen
class Obedience(MeanMetric):
    """Share of prompts all of whose instructions are obeyed; or the mean share of instructions.

    Attributes:
        each: Whether instructions count one by one.
        name: Name in results.
    """

    each: bool = False
    name: str = attrs.field(init=False, default=attrs.Factory(_named, takes_self=True))

    def grade(self, case: Case) -> Grade:
        """1 where all is obeyed, else 0; or the share."""
        given: Json = case.example.metadata[_INSTRUCTIONS]
        done = [obeys(name, case.answer, arguments) for name, arguments in given]
        value = sum(done) / len(done) if self.each else float(all(done))
        return Grade(expected=case.expected, value=value, parsed=case.answer)


METRICS: Final = (Obedience(), Obedience(each=True))


def example_of(record: Record) -> Example:
    """The prompt; its instructions stand in the metadata. What is expected is the list of their names."""
    names = record.texts("instruction_id_list")
    unknown = sorted(set(names) - CHECKS.keys())
    if unknown:
        raise record.wrong("instruction_id_list", f"no check for {', '.join(unknown)}; leave this line out")
    given: Json = record.fields.get("kwargs")
    arguments = [_given(each) for each in given] if is_list(given) else []
    if len(arguments) != len(names):
        raise record.wrong("kwargs", f"{len(names)} instructions need as many arguments")
    prompt = record.text("prompt")
    for name, each in zip(names, arguments, strict=True):
        try:
            obeys(name, prompt, each)
        except (KeyError, TypeError, ValueError) as error:
            raise record.wrong("kwargs", f"{name}: {error!r}") from error
    pairs: list[Json] = [list(pair) for pair in zip(names, arguments, strict=True)]
    return Example(messages=(user(prompt), assistant("; ".join(names))), metadata={_INSTRUCTIONS: pairs})


def _given(arguments: Json) -> JsonObject:
    """The arguments that are set: the hub's file names all of them, most with null."""
    return {name: value for name, value in arguments.items() if value is not None} if is_object(arguments) else {}
