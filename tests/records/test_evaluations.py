"""The journal of evaluations: what is written stays, and writing twice changes nothing."""

import attrs
import pytest

from finetuner.data.examples import ToolCall
from finetuner.providers.ports import Completion, Usage
from finetuner.records.evaluations import EvaluationRecords
from finetuner.records.journal import Journal

ANSWER = Completion(
    text="Ünïcode → <b>",
    model="m",
    finish_reason="tool_calls",
    usage=Usage(prompt_tokens=3, completion_tokens=1),
    latency=0.5,
    request_id="r",
    tool_calls=(ToolCall("1", "f", "{}"),),
    confidence=0.25,
)


@pytest.fixture
def records(tmp_path):
    with Journal.open(tmp_path) as journal:
        yield EvaluationRecords(journal)


def test_answers_come_back_equal(records):
    """Every field of an answer survives the journal, in another connection too."""
    records.keep("e", {3: ANSWER, 1: attrs.evolve(ANSWER, refusal="no")})
    with Journal.open(records.journal.workspace) as other:
        kept = EvaluationRecords(other).answers("e", Completion)
    assert kept == {1: attrs.evolve(ANSWER, refusal="no"), 3: ANSWER}
    assert list(kept) == [1, 3]


def test_keeping_again_replaces(records):
    records.keep("e", {1: ANSWER})
    records.keep("e", {1: attrs.evolve(ANSWER, text="new")})
    records.keep("e", {})
    assert records.answers("e", Completion)[1].text == "new"
    assert records.answers("other", Completion) == {}


def test_beginning_twice_continues(records):
    """The first beginning counts; a result makes it finished."""
    records.begin("e", model="p:m", dataset="d", kind="evaluation")
    first = records.get("e")
    records.begin("e", model="p:m", dataset="d", kind="evaluation")
    assert records.get("e") == first
    assert first.result is None
    records.finish("e", {"value": 1})
    done = records.get("e")
    assert done.result == {"value": 1}
    assert done.finished_at >= done.created_at
    assert records.get("unknown") is None


def test_lists_are_newest_first_and_filtered(records):
    for number, (model, kind) in enumerate([("a", "evaluation"), ("b", "evaluation"), ("a", "benchmark")]):
        records.begin(str(number), model=model, dataset="d", kind=kind)
    assert [record.id for record in records.list()] == ["2", "1", "0"]
    assert [record.id for record in records.list(model="a", kind="evaluation")] == ["0"]
