"""Evaluating: denominators, resumption, throttling, budgets, leaks."""

import asyncio
import itertools
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import nullcontext

import attrs
import pytest

from finetuner.data.examples import Example, Message, ToolCall, user
from finetuner.errors import (
    AuthenticationError,
    BudgetExceededError,
    JournalError,
    LeakError,
    ProviderConnectionError,
    RateLimitError,
    RequestRejectedError,
    UnexpectedAnswerError,
    UsageError,
)
from finetuner.evaluation.comparison import compare
from finetuner.evaluation.run import evaluate, evaluate_async
from finetuner.providers.catalog import BaseModel, Catalog, Prices
from finetuner.providers.model import Model
from finetuner.providers.ports import Completion, CompletionOptions, JobRequest, JobSnapshot, Provider
from finetuner.records.evaluations import EvaluationRecords
from finetuner.records.jobs import DatasetRecords, JobRecord, JobRecords
from finetuner.records.journal import Journal

PAIRS = [(f"question {i}", ("billing", "bug")[i % 2]) for i in range(40)]


def right(text: str) -> str:
    return ("billing", "bug")[int(text.split()[1]) % 2]


def test_every_row_is_in_the_result_with_its_place(rows, model, place):
    """Rows come back in the data's order, whatever the order of the answers."""
    result = evaluate(model(right)[0], rows(PAIRS), workspace=place)
    assert [row.index for row in result.rows] == list(range(40))
    assert [row.line for row in result.rows] == list(range(1, 41))
    assert result.task == "classification"
    assert result.primary == "accuracy"
    assert str(result.metrics["accuracy"]) == "1.000 [0.912, 1.000] (n=40)"
    assert result.latency is not None
    assert result.latency.p95 == 0.25


def test_data_may_be_the_path_of_their_file(model, place, tmp_path):
    path = tmp_path / "test.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in PAIRS), "utf-8")
    both = compare(model(right)[0], model(right)[0], path, workspace=place)
    result = evaluate(model(right)[0], str(path), workspace=place)
    assert result.source == str(path)
    assert both.n == result.counts.scored == 40
    assert str(result).startswith("Accuracy: 100.0% [91.2, 100.0]\n")  # print() tells what the command tells
    assert str(both).startswith("Base: 100.0% accuracy [91.2, 100.0]\nTuned: ")


def test_denominators_add_up(rows, model, place):
    """Errors are in no metric but in the counts; refusals and unreadable answers are wrong answers."""

    def answer(text):
        number = int(text.split()[1])
        if number < 4:
            return RequestRejectedError("too long", provider="test")
        if number < 7:
            return Completion(text="", model="m", refusal="I can't help with that")
        return "billing or bug" if number < 12 else right(text)

    result = evaluate(model(answer)[0], rows(PAIRS), workspace=place)
    counts = result.counts
    assert (counts.attempted, counts.answered, counts.scored, counts.errored) == (40, 36, 36, 4)
    assert (counts.refused, counts.unparseable) == (3, 5)
    assert result.metrics["accuracy"].n == 36
    assert result.metrics["accuracy"].value == pytest.approx(28 / 36)
    assert [row.error for row in result.rows[:5]] == ["too long"] * 4 + [None]
    assert result.confusion is not None
    assert result.confusion.n == 36


def test_all_rows_failing_is_a_result_too(rows, model, place):
    """No answer at all gives counts, and no metric."""
    result = evaluate(model(lambda _: RequestRejectedError("no"))[0], rows(PAIRS), workspace=place)
    assert result.counts.errored == 40
    assert result.metrics == {}
    assert result.value is None


def test_the_same_evaluation_is_paid_once(rows, model, place):
    """Asking again takes the answers from the journal, also for other metrics."""
    answering, completer = model(right)
    first = evaluate(answering, rows(PAIRS), workspace=place)
    second = evaluate(answering, rows(PAIRS), workspace=place, metrics=["exact_match"])
    assert len(completer.asked) == 40
    assert first.id == second.id
    assert list(second.metrics) == ["exact_match"]


def test_errors_are_tried_again_next_time(rows, model, place):
    """What failed was not paid for: the next run asks those rows, and no others."""
    evaluate(
        model(lambda t: right(t) if t != "question 3" else RequestRejectedError("no"))[0], rows(PAIRS), workspace=place
    )
    answering, completer = model(right)
    result = evaluate(answering, rows(PAIRS), workspace=place)
    assert completer.asked == ["question 3"]
    assert result.counts.errored == 0


def test_a_retryable_error_is_retried(rows, model, place, clock):
    """A lost connection costs a pause, not the row."""
    tries = itertools.count()
    answering, completer = model(
        lambda t: ProviderConnectionError("lost", retryable=True) if next(tries) < 2 else right(t)
    )
    result = evaluate(answering, rows(PAIRS[:2]), workspace=place, clock=clock, concurrency=1)
    assert result.counts.errored == 0
    assert len(completer.asked) == 4
    assert clock.slept


def test_a_storm_of_rate_limits_drops_nothing(rows, model, place, clock):
    """Throttled rows wait for their turn, as long as the provider asks; all are answered in the end."""

    def answer(text):
        return RateLimitError("slow down", retryable=True, retry_after=20.0) if clock.time < 100 else right(text)

    answering, completer = model(answer)
    result = evaluate(answering, rows(PAIRS), workspace=place, clock=clock)
    assert result.counts.answered == 40
    assert clock.slept == [20.0] * 5
    assert len(completer.asked) < 40 + 5 * 8


def test_endless_throttling_ends_in_errors(rows, model, place, clock):
    """Ten minutes of nothing but refusals: the rows carry the error."""
    result = evaluate(
        model(lambda _: RateLimitError("slow down", retryable=True))[0], rows(PAIRS[:3]), workspace=place, clock=clock
    )
    assert result.counts.errored == 3
    assert 600 <= clock.time < 800


def test_concurrency_is_bounded(rows, model, place):
    """No more calls at once than asked for."""
    answering, completer = model(lambda t: (time.sleep(0.002), right(t))[1])
    evaluate(answering, rows(PAIRS), workspace=place, concurrency=3)
    assert completer.most_at_once == 3


def test_a_wrong_key_stops_at_once(rows, model, place):
    """What no row can survive is raised, not counted forty times."""
    answering, completer = model(lambda _: AuthenticationError("no such key"))
    with pytest.raises(AuthenticationError):
        evaluate(answering, rows(PAIRS), workspace=place, concurrency=1)
    assert len(completer.asked) == 1


def test_answers_beside_a_bug_are_kept(rows, model, place):
    """An error of our own stops the run after the answers that are there are written."""
    with pytest.raises(ZeroDivisionError):
        evaluate(
            model(lambda t: right(t) if t != "question 5" else ZeroDivisionError())[0],
            rows(PAIRS),
            workspace=place,
            concurrency=1,
        )
    answering, completer = model(right)
    evaluate(answering, rows(PAIRS), workspace=place)
    assert len(completer.asked) == 35


def test_the_budget_is_kept(rows, model, place):
    """Stops before the money is gone, keeps what it bought, and goes on with more."""
    prices = Prices(input=1000.0, output=1000.0)  # 10 + 2 tokens: 0.012 USD an answer

    options = CompletionOptions(max_tokens=10)
    answering, completer = model(right, prices=prices)
    with pytest.raises(BudgetExceededError, match=r"rows are left") as caught:
        evaluate(answering, rows(PAIRS), workspace=place, max_usd=0.2, options=options)
    spent = 0.012 * len(completer.asked)
    assert 0.12 < spent <= 0.2
    assert caught.value.limit_usd == 0.2
    result = evaluate(answering, rows(PAIRS), workspace=place, max_usd=1.0, options=options)
    assert len(completer.asked) == 40
    assert result.cost == pytest.approx(0.48)


def test_a_budget_without_a_price_is_refused(rows, model, place):
    """A ceiling that can't be kept is no ceiling."""
    with pytest.raises(UsageError, match="catalog has none"):
        evaluate(model(right)[0], rows(PAIRS), workspace=place, max_usd=1.0)


def test_progress_counts_up(rows, model, place):
    """Each report is about rows that are on disk; the last one says all."""
    seen = []
    evaluate(model(right)[0], rows(PAIRS), workspace=place, on_progress=seen.append)
    assert [progress.done for progress in seen] == sorted(progress.done for progress in seen)
    assert seen[-1].done == seen[-1].total == 40
    assert seen[-1].eta == 0


def trained(place, data, base="m0"):
    """Note in the journal that `test:m` was trained on data."""
    request = JobRequest(model=base, training_file="file-1")
    snapshot = JobSnapshot(id="ftjob-1", model=base, status="succeeded", created_at=0.0, tuned_model="m")
    record = JobRecord(
        key="k",
        provider="test",
        state="created",
        request=request,
        job_id="ftjob-1",
        snapshot=snapshot,
        training_fingerprint=data.fingerprint,
    )
    with Journal.open(place) as journal:
        JobRecords(journal).intend(record)
        DatasetRecords(journal).add(data.fingerprint, role="train", source=data.source, row_hashes=data.prompt_hashes())


def test_training_rows_are_refused(rows, model, place):
    """Rows that the model was trained on are named by their lines."""
    data = rows(PAIRS)
    trained(place, rows(PAIRS[5:7]))
    with pytest.raises(LeakError, match=r"2 of 40 rows of rows\.jsonl .* line 6, 7;"):
        evaluate(model(right)[0], data, workspace=place)
    assert evaluate(model(right, name="test:other")[0], data, workspace=place).counts.scored == 40
    assert evaluate(model(right)[0], data, workspace=place, allow_training_rows=True).counts.scored == 40


def test_a_tuned_model_costs_what_its_base_costs(rows, model, place):
    """Where the catalog knows only the base, the journal knows which one that is."""
    answering, completer = model(right)
    catalog = Catalog(provider="test", models=(BaseModel(id="test:m0", prices=Prices(input=1000.0, output=1000.0)),))
    provider = Provider(name="test", formats=(), catalog=catalog, completer=completer)
    priced = Model("test:m", provider=provider)
    assert evaluate(priced, rows(PAIRS[:10]), workspace=place).cost is None
    trained(place, rows([("other", "bug")]))
    assert evaluate(priced, rows(PAIRS[:10]), workspace=place).cost == pytest.approx(0.12)
    assert answering == priced


def test_async_gives_the_same(rows, model, place):
    """The twin gives the same result, from the same journal."""
    answering, completer = model(right)
    there = asyncio.run(evaluate_async(answering, rows(PAIRS), workspace=place))
    here = evaluate(answering, rows(PAIRS), workspace=place)
    assert there == here
    assert len(completer.asked) == 40


def test_async_waits_out_a_storm(rows, model, place, clock):
    """Throttling is handled by the same schedule."""
    answering, _ = model(
        lambda t: RateLimitError("slow", retryable=True, retry_after=7.0) if clock.time < 20 else right(t)
    )
    result = asyncio.run(evaluate_async(answering, rows(PAIRS), workspace=place, clock=clock))
    assert result.counts.answered == 40


def test_sync_works_inside_a_running_loop(rows, model, place):
    """A notebook's loop is no obstacle."""

    async def cell():
        return evaluate(model(right)[0], rows(PAIRS), workspace=place)

    assert asyncio.run(cell()).counts.scored == 40


def test_own_functions_are_metrics(rows, model, place):
    """A function's mean comes with an interval, and decides when it is first."""

    def length(expected, answer, example):
        assert example.completion == expected
        return len(answer) / 10

    result = evaluate(model(right)[0], rows(PAIRS), workspace=place, metrics=[length], task="generation")
    assert result.primary == "length"
    assert result.metrics["length"].value == pytest.approx(0.5)


def test_tool_calls_are_answers_too(rows, model, place):
    """The example's tools are offered; equal calls are right whatever their spacing, other calls are wrong."""
    tool = {"type": "function", "function": {"name": "find"}}
    call = ToolCall("1", "find", '{"id": 1}')
    asked = [
        Example(messages=(user(f"q {i}"), Message(role="assistant", tool_calls=(call,))), tools=(tool,))
        for i in range(2)
    ]
    data = attrs.evolve(rows([]), examples=tuple(asked))

    def answer(text):
        arguments = '{"id":1}' if text == "q 0" else '{"id":2}'
        return Completion(text="", model="m", tool_calls=(ToolCall("x", "find", arguments),))

    answering, completer = model(answer)
    result = evaluate(answering, data, workspace=place)
    assert [row.correct for row in result.rows] == [True, False]
    assert completer.options[0].tools == (tool,)


def test_halves_of_surrogate_pairs_do_not_stop_a_run(rows, model, place):
    """An answer that no UTF-8 can hold is kept with a replacement."""
    result = evaluate(model(lambda _: "bug \ud800")[0], rows(PAIRS[:2]), workspace=place)
    assert result.counts.answered == 2
    assert result.rows[0].answer == "bug ?"


def test_no_rows_is_a_usage_error(rows, model, place):
    with pytest.raises(UsageError, match="no rows"):
        evaluate(model(right)[0], rows([]), workspace=place)


def test_the_summary_is_kept_without_rows(rows, model, place):
    """The journal's result holds numbers, and no prompts."""
    result = evaluate(model(right)[0], rows(PAIRS), workspace=place)
    with Journal.open(place) as journal:
        record = EvaluationRecords(journal).get(result.id)
    assert record is not None
    assert record.result["rows"] == []
    assert record.result["metrics"]["accuracy"]["value"] == 1.0
    assert record.finished_at is not None


PROGRAM = """
import itertools, os, sys, time
from finetuner.data.examples import Example, assistant, user
from finetuner.evaluation.run import evaluate
from finetuner.providers.catalog import Catalog
from finetuner.providers.model import Model
from finetuner.providers.ports import Completion, Provider

class Rows(tuple):
    fingerprint, source = "f" * 64, "rows"
    def line(self, index, /): return index + 1
    def prompt_hashes(self): return tuple(e.prompt_hash[:16] for e in self)

class Paid:
    def complete(self, model, messages, options):
        time.sleep(0.01)
        fd = os.open(sys.argv[2], os.O_APPEND | os.O_CREAT | os.O_WRONLY)
        os.write(fd, (messages[-1].text + "\\n").encode())
        os.close(fd)
        return Completion(text="yes", model=model)

rows = Rows(Example(messages=(user(f"q{i}"), assistant("yes"))) for i in range(150))
provider = Provider(name="test", formats=(), catalog=Catalog(provider="test"), completer=Paid())
result = evaluate(Model("test:m", provider=provider), rows, workspace=sys.argv[1], concurrency=2)
print(result.counts, result.metrics, [row.answer for row in result.rows])
"""


def killed(command, paid, moment):
    """Run a program until so many prompts are paid, and kill it."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while process.poll() is None and asked(paid) < moment and time.monotonic() < deadline:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def asked(paid):
    return len(paid.read_text().splitlines()) if paid.exists() else 0


@pytest.fixture
def program(tmp_path):
    """Evaluates 150 rows in a process of its own; each paid prompt becomes a line of a file."""
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(PROGRAM))

    def command(name):
        return [sys.executable, str(path), str(tmp_path / name), str(tmp_path / f"{name}.txt")]

    return command


def resumed(program, tmp_path, moments):
    """What a run that was killed at these moments gives, and how many prompts were paid twice."""
    command, paid = program("broken"), tmp_path / "broken.txt"
    for moment in moments:
        killed(command, paid, moment)
    assert asked(paid) < 150
    broken = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    unbroken = subprocess.run(program("whole"), check=True, capture_output=True, text=True).stdout
    assert broken == unbroken
    assert "answered=150" in broken
    lines = paid.read_text().splitlines()
    assert len(set(lines)) == 150
    return len(lines) - 150


def test_kill_9_loses_no_answer(program, tmp_path):
    """Killed in the middle and started again: the same result, and nothing that had arrived is asked again."""
    assert resumed(program, tmp_path, [40]) <= 1  # a kill may fall between the payment and the log, microseconds later


@pytest.mark.slow
def test_ten_kills_at_random_moments(program, tmp_path):
    """As above, over and over: ten kills in one evaluation."""
    moments = sorted(random.Random(0).sample(range(5, 130), 10))
    assert resumed(program, tmp_path, moments) <= 2


@attrs.define
class Full:
    """A log on a full disk."""

    writes: int = 0

    def append(self, *_):
        self.writes += 1
        raise JournalError("an answer can't be kept: the disk is full")


def test_a_full_disk_stops_the_run(rows, model, place, monkeypatch):
    """An answer that can't be kept stops the spending: nothing is asked beyond what flew."""
    answering, completer = model(right)
    monkeypatch.setattr(EvaluationRecords, "keeping", lambda *_: nullcontext(Full()))
    with pytest.raises(OSError, match="disk is full"):
        evaluate(answering, rows(PAIRS), workspace=place, concurrency=2)
    assert len(completer.asked) <= 4


def test_answers_serve_other_evaluations(rows, model, place):
    """The same request to the same model is paid once, whatever data it stands in; other options are other requests."""
    answering, completer = model(right)
    evaluate(answering, rows(PAIRS[:30]), workspace=place)
    result = evaluate(answering, rows(PAIRS), workspace=place)
    assert len(completer.asked) == 40
    assert result.counts.answered == 40
    evaluate(answering, rows(PAIRS[:5]), workspace=place, options=CompletionOptions(max_tokens=3))
    evaluate(answering, rows(PAIRS[:5]), workspace=place, cache=False)
    assert len(completer.asked) == 50


def test_answers_that_vary_are_not_reused(rows, model, place):
    """At another temperature than 0, without a seed, each evaluation gets answers of its own."""
    answering, completer = model(right)
    for size in (3, 4):
        evaluate(answering, rows(PAIRS[:size]), workspace=place, options=CompletionOptions(temperature=1.0))
    assert len(completer.asked) == 7


def test_tokens_and_time_are_budgets_too(rows, model, place, clock):
    """Whichever ends first stops the run; what is there is kept."""
    answering, completer = model(lambda text: (clock.sleep(1.0), right(text))[1])
    options = CompletionOptions(max_tokens=2)
    with pytest.raises(BudgetExceededError, match=r"of max_total_tokens 200: \d+ rows are left"):
        evaluate(answering, rows(PAIRS), workspace=place, max_total_tokens=200, options=options, concurrency=1)
    bought = len(completer.asked)
    assert 10 <= bought <= 16
    with pytest.raises(BudgetExceededError, match="end of max_seconds 5"):
        evaluate(answering, rows(PAIRS), workspace=place, max_seconds=5, options=options, clock=clock, concurrency=1)
    assert len(completer.asked) == bought + 5


def test_a_row_that_breaks_the_service_ends_as_an_error(rows, model, place, clock):
    """A breakdown that names a pause slows the run down, and is tried four times, not forever."""
    failing = UnexpectedAnswerError("503", retryable=True, retry_after=2.0)
    answering, completer = model(lambda t: failing if t == "question 3" else right(t))
    result = evaluate(answering, rows(PAIRS), workspace=place, clock=clock)
    assert (result.counts.answered, result.counts.errored) == (39, 1)
    assert completer.asked.count("question 3") == 4
