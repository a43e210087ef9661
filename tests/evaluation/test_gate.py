"""The regression gate: three answers, the n that is missing, and GSM8K's two numbers."""

import asyncio
import json
from pathlib import Path

import pytest

from finetuner.errors import DataFormatError, RequestRejectedError, UnknownNameError, UsageError
from finetuner.evaluation.benchmarks import gsm8k, reading
from finetuner.evaluation.gate import benchmark, benchmark_async, non_inferiority, regression
from finetuner.evaluation.run import evaluate
from finetuner.evaluation.statistics.paired import PairedCounts
from finetuner.evaluation.text import regression_text

GSM8K = Path(__file__).parents[2] / ".." / "shared" / "data" / "gsm8k" / "test.jsonl"
N = 400


@pytest.fixture
def problems(place):
    """A GSM8K-like file in the workspace: the answer to `problem i` is 1,000 + i."""
    file = place / "benchmarks" / "gsm8k.jsonl"
    file.parent.mkdir(parents=True)
    lines = [{"question": f"problem {i}", "answer": f"1 + 1 = 2\n#### {1000 + i:,}"} for i in range(N)]
    file.write_text("\n".join(map(json.dumps, lines)))
    return file


def solver(wrong=0, unformatted=0):
    """Wrong on the first rows; without `####` on the last."""

    def answer(text):
        number = int(text.split()[1])
        value = 0 if number < wrong else 1000 + number
        return f"It is {value}." if number >= N - unformatted else f"So:\n#### {value}"

    return answer


def outcome(model, place, tuned, **options):
    base = model(solver(wrong=20), "test:base")[0]
    return benchmark(model(tuned, "test:tuned")[0], "gsm8k", base, workspace=place, **options)


@pytest.mark.usefixtures("problems")
def test_no_loss_passes(model, place):
    """400 rows, 4 disagreements: a loss of 5 points is excluded."""
    result = outcome(model, place, solver(wrong=24))
    assert result.outcome == "pass"
    assert result.needs_n is None
    assert [part.name for part in result.parts] == ["capability", "format"]
    assert result.difference.value == pytest.approx(-0.01)


@pytest.mark.usefixtures("problems")
def test_a_clear_loss_fails(model, place):
    result = outcome(model, place, solver(wrong=80))
    assert result.outcome == "fail"
    assert "is shown" in result.parts[0].reason


@pytest.mark.usefixtures("problems")
def test_too_few_rows_say_how_many_are_needed(model, place):
    """Forty rows can't tell: the answer is neither yes nor no."""
    result = outcome(model, place, solver(wrong=23), limit=40)
    assert result.outcome == "not enough data"
    assert result.needs_n > 40
    assert "needs n≈" in regression_text(result)


@pytest.mark.usefixtures("problems")
def test_a_lost_format_fails_though_the_capability_is_there(model, place):
    """Numbers right, `####` gone: capability passes, format fails, the gate fails."""
    result = outcome(model, place, solver(wrong=20, unformatted=100))
    capability, form = result.parts
    assert (capability.outcome, form.outcome) == ("pass", "fail")
    assert result.outcome == "fail"


@pytest.mark.usefixtures("problems")
def test_errors_cannot_make_a_gate_pass(model, place):
    """Rows without an answer might all be wrong ones: with many of them, the gate asks to run again."""

    def failing(text):
        return RequestRejectedError("no") if int(text.split()[1]) >= N - 60 else solver(wrong=20)(text)

    result = outcome(model, place, failing)
    assert result.outcome == "not enough data"
    assert "60 rows without an answer" in result.parts[0].reason
    assert "60 errors" in regression_text(result)


@pytest.mark.usefixtures("problems")
def test_without_a_baseline_there_is_no_gate(model, place):
    result = benchmark(model(solver())[0], "gsm8k", workspace=place)
    assert result.outcome is None
    assert result.tuned.metrics["gsm8k_strict"].value == 1
    assert "Format (#### number): 100.0%" in regression_text(result)


@pytest.mark.usefixtures("problems")
def test_async_gives_the_same(model, place):
    here = outcome(model, place, solver(wrong=24))
    base, tuned = model(solver(wrong=20), "test:base")[0], model(solver(wrong=24), "test:tuned")[0]
    assert asyncio.run(benchmark_async(tuned, "gsm8k", base, workspace=place)) == here


def test_own_files_are_benchmarks(model, place, tmp_path):
    """The path of a data set in any format gates by its own metric."""
    file = tmp_path / "held_out.jsonl"
    lines = [
        {"messages": [{"role": "user", "content": f"q {i}"}, {"role": "assistant", "content": "ab"[i % 2]}]}
        for i in range(300)
    ]
    file.write_text("\n".join(map(json.dumps, lines)))

    def right(text):
        return "ab"[int(text.split()[1]) % 2]

    base, tuned = model(right, "test:base")[0], model(right, "test:tuned")[0]
    result = benchmark(tuned, str(file), base, workspace=place)
    assert result.outcome == "pass"
    assert result.parts[0].name == "accuracy"


def test_where_the_file_goes_is_said(model, place):
    """One message: the folder, the variable, the option."""
    with pytest.raises(DataFormatError, match=r"put it at .*benchmarks.gsm8k\.jsonl, set FINETUNER_BENCHMARKS"):
        benchmark(model(solver())[0], "gsm8k", workspace=place)


def test_the_environment_names_a_folder(model, place, problems, tmp_path, monkeypatch):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    problems.rename(folder / "gsm8k.jsonl")
    monkeypatch.setenv("FINETUNER_BENCHMARKS", str(folder))
    assert benchmark(model(solver())[0], "gsm8k", workspace=place, limit=5).tuned.counts.scored == 5


def test_unknown_names_list_the_known(model, place):
    with pytest.raises(
        UnknownNameError, match="known: arc, gsm8k, hellaswag, humaneval, ifeval, mmlu, squad, truthfulqa,"
    ):
        benchmark(model(solver())[0], "squid", workspace=place)


@pytest.mark.parametrize("margin", [0, -0.1, 1, float("nan")])
def test_impossible_margins_are_refused(model, place, margin):
    with pytest.raises(UsageError, match="margin"):
        benchmark(model(solver())[0], "gsm8k", workspace=place, margin=margin)


def test_scores_that_are_not_right_or_wrong_have_a_gate(rows, model, place):
    """A bootstrap's one-sided bounds decide."""
    data = rows([(f"q {i}", "one two three four") for i in range(100)])
    results = [
        evaluate(model(answer, name)[0], data, workspace=place, metrics=["token_f1"], task="generation")
        for name, answer in (
            ("test:base", lambda t: "one two three" if int(t.split()[1]) % 2 else "one two three four"),
            ("test:tuned", lambda _: "one two"),
        )
    ]
    assert regression(*results).outcome == "fail"
    assert regression(results[0], results[0]).outcome == "pass"


@pytest.mark.parametrize(
    ("b", "c", "n", "expected"),
    [(5, 5, 300, "pass"), (5, 5, 60, "not enough data"), (0, 40, 300, "fail"), (10, 25, 300, "not enough data")],
)
def test_non_inferiority_by_counts(b, c, n, expected):
    counts = PairedCounts(both=n - b - c, tuned_only=b, base_only=c, neither=0)
    assert non_inferiority(counts, 0.05)[0] == expected


def test_malformed_problem_files_name_the_line(tmp_path):
    file = tmp_path / "gsm8k.jsonl"
    for line, message in [
        ("nope", "line 2: not JSON"),
        ('{"question": "q"}', "line 2: answer: required text missing"),
        ('{"question": "q", "answer": "42"}', 'line 2: answer: no final "#### number"'),
    ]:
        file.write_text('{"question": "q", "answer": "#### 1"}\n' + line)
        with pytest.raises(DataFormatError, match=message):
            reading.load(file, gsm8k.example_of)


@pytest.mark.skipif(not GSM8K.is_file(), reason="the GSM8K test file isn't beside the repository")
def test_the_real_file_has_1319_problems():
    data = reading.load(GSM8K, gsm8k.example_of)
    assert len(data) == 1319
    assert data[0].completion == "#### 18"
