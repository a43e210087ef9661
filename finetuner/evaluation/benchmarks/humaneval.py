r"""HumanEval: the rest of a Python function, judged by running it (Chen et al. 2021, arXiv 2107.03374).

Answers are programs of a stranger: nothing is run without a sandbox that you name.

```pycon
>>> from pathlib import Path
>>> fields = {"prompt": "def two():\n", "canonical_solution": "    return 2\n", "entry_point": "two"}
>>> fields["test"] = "def check(f):\n    assert f() == 2\n"
>>> example = example_of(Record(fields, Path("f"), 1))
>>> print(program(example, "    return 2"))
def two():
    return 2
<BLANKLINE>
def check(f):
    assert f() == 2
<BLANKLINE>
check(two)
<BLANKLINE>

```
"""

import re
import subprocess
from typing import Final, Protocol

import attrs

from finetuner.data.examples import Example, assistant, user
from finetuner.errors import UsageError
from finetuner.evaluation.benchmarks.reading import Record
from finetuner.evaluation.metrics.grading import Case, Grade, MeanMetric

NAME: Final = "humaneval"
HUB: Final = ("openai/openai_humaneval", None, "test")
PARTS: Final = ("capability",)

_INSTRUCTION = "Complete this Python function. Answer with code alone.\n\n"
_FENCED: Final = re.compile(r"```(?:python|py)?\n(.*?)```", re.DOTALL)


class Sandbox(Protocol):
    """Runs programs that nobody has looked at, where they can do no harm."""

    def run(self, source: str) -> bool:
        """Whether a Python program ends well. Never raises because of what the program does."""
        ...


@attrs.frozen
class CommandSandbox:
    """A command that takes a program on its standard input, such as `docker run --rm -i --network none … python -`.

    Attributes:
        command: The words of the command. It must confine the program: nothing here does.
        seconds: Time for one program.
    """

    command: tuple[str, ...]
    seconds: float = 15.0

    def run(self, source: str) -> bool:
        """Whether the command ends with status 0 in time.

        Raises:
            UsageError: The command can't be started.
        """
        try:
            done = subprocess.run(  # noqa: S603 - the command is the user's own sandbox
                self.command,
                input=source.encode("utf-8", "replace"),
                capture_output=True,
                timeout=self.seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        except OSError as error:
            raise UsageError(f"the sandbox {self.command[0]!r} can't be started: {error}") from error
        return done.returncode == 0


@attrs.frozen
class PassAtOne(MeanMetric):
    """Share of answers that pass their tests at the first try.

    Attributes:
        sandbox: Where they run.
    """

    sandbox: Sandbox
    name: str = "pass_at_1"

    def grade(self, case: Case) -> Grade:
        """1 where the program passes, else 0."""
        passed = self.sandbox.run(program(case.example, case.answer))
        return Grade(expected=case.expected, value=float(passed), parsed=case.answer)


def example_of(record: Record) -> Example:
    """The head of the function; tests and the function's name stand in the metadata."""
    prompt = record.text("prompt")
    kept = {name: record.text(name) for name in ("prompt", "test", "entry_point")}
    return Example(messages=(user(_INSTRUCTION + prompt), assistant(record.text("canonical_solution"))), metadata=kept)


def program(example: Example, answer: str) -> str:
    """The answer as a program with its tests: a whole function as it is, the rest of one after its head."""
    fenced = _FENCED.findall(answer)
    code = str(fenced[0] if fenced else answer).rstrip()
    name, head = str(example.metadata["entry_point"]), str(example.metadata["prompt"])
    whole = code if re.search(rf"^def {re.escape(name)}\b", code, re.MULTILINE) else head + code
    return f"{whole}\n\n{str(example.metadata['test']).rstrip()}\n\ncheck({name})\n"
