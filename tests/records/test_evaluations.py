"""The journal of evaluations: what is written stays, and writing twice changes nothing."""

import attrs
import pytest

from finetuner.data.examples import ToolCall
from finetuner.providers.ports import Completion, Usage
from finetuner.records.answer_log import AnswerLog
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


def keep(records, answers, keys=None):
    with records.keeping("e") as log:
        for row, answer in answers.items():
            log.append(row, answer, (keys or {}).get(row))


def test_answers_come_back_equal(records):
    """Every field of an answer survives the journal, in another connection too."""
    keep(records, {3: ANSWER, 1: attrs.evolve(ANSWER, refusal="no")})
    with Journal.open(records.journal.workspace) as other:
        kept = EvaluationRecords(other).answers("e", Completion)
    assert kept == {1: attrs.evolve(ANSWER, refusal="no"), 3: ANSWER}
    assert list(kept) == [1, 3]


def test_keeping_again_replaces(records):
    keep(records, {1: ANSWER})
    keep(records, {1: attrs.evolve(ANSWER, text="new")})
    keep(records, {})
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


def test_a_log_that_lives_is_read_and_left_alone(records):
    """Another process that is still at it neither loses its log nor hides its answers."""
    with records.keeping("e") as log:
        log.append(7, ANSWER)
        assert records.answers("e", Completion) == {7: ANSWER}
        assert log.path.exists()
    assert not log.path.exists()
    assert records.answers("e", Completion) == {7: ANSWER}


def test_a_dead_process_leaves_its_answers(records):
    """A log whose process is gone is folded by whoever comes next; a last line that was cut off is left out."""
    log = AnswerLog.create(records.journal.workspace.folder / "answers" / "e")
    log.append(1, ANSWER)
    log.close()
    with log.path.open("ab") as file:
        file.write(b'{"row":2,"answer":{"te')
    assert records.answers("e", Completion) == {1: ANSWER}
    assert not log.path.exists()


def test_many_answers_are_folded_in_pieces(records):
    keep(records, dict.fromkeys(range(12_000), ANSWER))
    assert len(records.answers("e", Completion)) == 12_000


def test_requests_are_found_by_their_keys(records):
    """The newest answer to a request serves; unknown keys are simply not there."""
    keep(records, {1: ANSWER, 2: ANSWER}, {1: "k"})
    assert records.cached(("k", "other"), Completion) == {"k": ANSWER}
    keep(records, {9: attrs.evolve(ANSWER, text="new")}, {9: "k"})
    assert records.cached(("k",), Completion)["k"].text == "new"
    assert records.cached((), Completion) == {}
