"""Benchmarks: each page's worked example is true, each file is read or refused by the line, each name runs."""

import doctest
import json
import sys
import types

import pytest

from finetuner._core.workspace import Workspace
from finetuner.errors import DataFormatError, MissingExtraError, UsageError
from finetuner.evaluation.benchmarks import (
    arc,
    gsm8k,
    hellaswag,
    humaneval,
    ifeval,
    instructions,
    mmlu,
    reading,
    registry,
    squad,
    truthfulqa,
)
from finetuner.evaluation.benchmarks.humaneval import CommandSandbox
from finetuner.evaluation.gate import benchmark
from finetuner.evaluation.metrics import choice, json_fields, token_f1

PAGES = (arc, gsm8k, hellaswag, humaneval, ifeval, mmlu, squad, truthfulqa)
RECORDS = {
    "arc": {"question": "q", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "B"},
    "gsm8k": {"question": "q", "answer": "so\n#### 7"},
    "hellaswag": {"ctx": "c", "endings": ["x", "y"], "label": "1"},
    "humaneval": {
        "prompt": "def one():\n",
        "canonical_solution": "    return 1\n",
        "test": "def check(f):\n    assert f() == 1\n",
        "entry_point": "one",
    },
    "ifeval": {"prompt": "p", "instruction_id_list": ["punctuation:no_comma"], "kwargs": [{"num_words": None}]},
    "mmlu": {"question": "q", "subject": "s", "choices": ["x", "y"], "answer": 1},
    "squad": {"context": "c", "question": "q", "answers": {"text": ["a", "b"]}},
    "truthfulqa": {"question": "q", "mc1_targets": {"choices": ["x", "y"], "labels": [1, 0]}},
}
HERE = CommandSandbox((sys.executable, "-I", "-"), seconds=10)
"""No sandbox at all: these tests run programs of their own."""


@pytest.mark.parametrize("module", [*PAGES, instructions, choice, json_fields, token_f1], ids=lambda m: m.__name__)
def test_worked_examples_are_true(module):
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0


@pytest.fixture
def folder(place):
    path = place / "benchmarks"
    path.mkdir(parents=True)
    return path


@pytest.mark.parametrize("name", registry.names())
def test_each_runs_and_a_perfect_answer_is_perfect(name, folder, place, model):
    """Expected answers are right by every metric of the benchmark."""
    (folder / f"{name}.jsonl").write_text(json.dumps(RECORDS[name]) + "\n\n" + json.dumps(RECORDS[name]))
    rows = registry.load(name, path=None, limit=None, workspace=Workspace.at(place), sandbox=HERE)
    answers = {example.user_text: example.completion for example in rows.data}
    result = benchmark(model(answers.__getitem__)[0], name, workspace=place, sandbox=HERE)
    assert result.tuned.counts.scored == 2
    assert {estimate.value for estimate in result.tuned.metrics.values()} == {1.0}
    assert len(result.tuned.metrics) == len(rows.parts)


@pytest.mark.parametrize("name", registry.names())
def test_a_field_that_is_missing_is_named_by_its_line(name, tmp_path):
    for field in RECORDS[name]:
        if field == "subject":
            continue
        file = tmp_path / "file.jsonl"
        broken = {key: value for key, value in RECORDS[name].items() if key != field}
        file.write_text(json.dumps(RECORDS[name]) + "\n" + json.dumps(broken))
        page = next(page for page in PAGES if name == page.NAME)
        with pytest.raises(DataFormatError, match=f"line 2: {field}: "):
            reading.load(file, page.example_of)


@pytest.mark.parametrize(
    ("name", "changed", "message"),
    [
        ("mmlu", {"answer": 2}, "there is no option 2"),
        ("mmlu", {"choices": [1, 2]}, "list of texts"),
        ("arc", {"answerKey": "Z"}, "none of the options"),
        ("hellaswag", {"label": "9"}, "there is no ending"),
        ("truthfulqa", {"mc1_targets": {"choices": ["x", "y"], "labels": [1, 1]}}, "exactly one option"),
        ("ifeval", {"instruction_id_list": ["language:response_language"]}, "no check for language"),
        ("ifeval", {"instruction_id_list": ["keywords:frequency"]}, "keyword"),
        ("ifeval", {"kwargs": []}, "as many arguments"),
    ],
)
def test_what_cannot_be_is_refused(name, changed, message, tmp_path):
    file = tmp_path / "file.jsonl"
    file.write_text(json.dumps({**RECORDS[name], **changed}))
    page = next(page for page in PAGES if name == page.NAME)
    with pytest.raises(DataFormatError, match=message):
        reading.load(file, page.example_of)


def test_the_right_option_of_truthfulqa_is_not_always_the_first(tmp_path):
    """Otherwise a model that says "A" to everything would be perfect."""
    file = tmp_path / "file.jsonl"
    targets = {"choices": [f"option {i}" for i in range(12)], "labels": [1, *[0] * 11]}
    lines = [json.dumps({"question": f"q {i}", "mc1_targets": targets}) for i in range(200)]
    file.write_text("\n".join(lines))
    letters = [example.completion for example in reading.load(file, truthfulqa.example_of)]
    assert set(letters) == set(reading.LETTERS)
    assert max(map(letters.count, letters)) < 45


def test_programs_need_a_sandbox(folder, place, model):
    """A model's program is never run by default."""
    (folder / "humaneval.jsonl").write_text(json.dumps(RECORDS["humaneval"]))
    with pytest.raises(UsageError, match="name a sandbox"):
        benchmark(model(lambda _: "")[0], "humaneval", workspace=place)


@pytest.mark.parametrize(
    ("answer", "passes"),
    [
        ("    return 1", True),
        ("```python\ndef one():\n    return 1\n```", True),
        ("Sure!\n```py\n    return 1\n```", True),
        ("    return 2", False),
        ("not a program", False),
        ("    import time; time.sleep(60)", False),
    ],
)
def test_programs_are_judged_by_running_them(answer, passes, tmp_path):
    file = tmp_path / "file.jsonl"
    file.write_text(json.dumps(RECORDS["humaneval"]))
    (example,) = reading.load(file, humaneval.example_of)
    sandbox = CommandSandbox((sys.executable, "-I", "-"), seconds=1.5)
    assert sandbox.run(humaneval.program(example, answer)) is passes


def test_a_sandbox_that_is_not_there_is_told():
    with pytest.raises(UsageError, match="can't be started"):
        CommandSandbox(("/no/such/command",)).run("")


def test_downloads_need_their_package(place, model, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match="benchmarks"):
        benchmark(model(lambda _: "A")[0], "mmlu", workspace=place, download=True)


def test_a_download_is_kept_for_the_next_time(place, model, monkeypatch):
    """The hub's rows become a file of the workspace; it is asked once."""
    asked = []

    def load_dataset(*words, split):
        asked.append((*words, split))
        return [RECORDS["mmlu"]] * 3

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    for _ in range(2):
        result = benchmark(model(lambda _: "B")[0], "mmlu", workspace=place, download=True)
        assert result.tuned.counts.scored == 3
    assert asked == [("cais/mmlu", "all", "test")]
