"""Results as plain text for terminals, and as Markdown. Strings only: whoever prints them is elsewhere."""

from collections.abc import Iterator

from finetuner._core.money import usd
from finetuner.evaluation.comparison import Comparison
from finetuner.evaluation.gate import Part, RegressionResult
from finetuner.evaluation.judge import JudgeReport
from finetuner.evaluation.results import Counts, Evaluation
from finetuner.evaluation.statistics.estimate import Estimate

_TITLES = {
    "accuracy": "Accuracy",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
    "exact_match": "Exact match",
    "token_f1": "Token F1",
    "json_validity": "Valid JSON",
    "json_match": "JSON match",
    "json_fields": "JSON fields",
    "tool_calls": "Tool calls",
    "tool_names": "Tool names",
    "rouge_1": "ROUGE-1",
    "rouge_2": "ROUGE-2",
    "rouge_l": "ROUGE-L",
    "bleu": "BLEU",
    "chrf": "chrF",
    "gsm8k_flexible": "Capability (last number)",
    "gsm8k_strict": "Format (#### number)",
    "choice": "Right option",
    "reference_f1": "F1 with the best reference",
    "reference_exact": "Exact match with a reference",
    "pass_at_1": "Programs that pass",
    "prompts_obeyed": "Prompts obeyed",
    "instructions_obeyed": "Instructions obeyed",
    "numeric_flexible": "Capability (last number)",
    "numeric_strict": "Format (#### number)",
    "judge_pass_rate": "Judge pass rate",
    "judge_score": "Judge score",
}
_RATIOS = frozenset(
    {"precision", "recall", "f1", "token_f1", "judge_score", "rouge_1", "rouge_2", "rouge_l", "bleu", "chrf"}
    | {"embedding_similarity", "reference_f1"}
)
_DETAILS = ("macro_", "micro_")


def evaluation_text(evaluation: Evaluation) -> str:
    """An evaluation in lines such as `Accuracy: 94.5% [90.4, 96.9]`."""
    return "\n".join(_evaluation_lines(evaluation))


def comparison_text(comparison: Comparison) -> str:
    """A comparison in lines such as `Base: 78.0% accuracy` and `Improvement: +16.5% [10.2, 22.9]`."""
    return "\n".join(_comparison_lines(comparison))


def regression_text(result: RegressionResult) -> str:
    """A benchmark in lines such as `Base model: 72.5%` and `Regression: -0.7% (pass)`."""
    return "\n".join(_regression_lines(result))


def evaluation_markdown(evaluation: Evaluation) -> str:
    """An evaluation as a Markdown table of its metrics, with its counts."""
    rows = [
        f"| {title(name)} | {value_text(name, value)} | {value.n} | {value.method} |"
        for name, value in evaluation.metrics.items()
    ]
    head = ["| metric | value [95% interval] | n | method |", "|---|---|---|---|"]
    return "\n".join(
        [
            f"**{_cell(evaluation.model)}** on {_cell(evaluation.source)}",
            "",
            *head,
            *rows,
            "",
            counts_text(evaluation.counts),
        ]
    )


def comparison_markdown(comparison: Comparison) -> str:
    """A comparison as a Markdown table of both models, with the verdict."""
    lines = [f"| {_cell(part.model)} | {_primary(part)} |" for part in (comparison.base, comparison.tuned)]
    head = [f"| model | {title(comparison.primary)} [95% interval] |", "|---|---|"]
    verdict = f"Improvement: {signed_percent(comparison.difference)}. Verdict: {comparison.explanation}."
    return "\n".join([*head, *lines, "", verdict])


def title(metric: str) -> str:
    """A metric's name for people."""
    return _TITLES.get(metric, metric.replace("_", " ").capitalize())


def value_text(metric: str, value: Estimate) -> str:
    """A metric's value with its interval: shares as percentages, precision, recall, F1 and scores as numbers."""
    inside = value.low >= 0 and value.high <= 1
    if metric.removeprefix("macro_").removeprefix("micro_") in _RATIOS or not inside:
        return f"{value.value:.2f} [{value.low:.2f}, {value.high:.2f}]"
    return value.percent()


def signed_percent(difference: Estimate) -> str:
    """A difference of shares with its interval, such as `+16.5% [+10.2, +22.9]`."""
    return f"{difference.value:+.1%} [{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"


def counts_text(counts: Counts) -> str:
    """Where every row went, in one line that leaves none out."""
    parts = [f"{counts.scored} of {counts.attempted} rows scored", f"{counts.errored} errors"]
    parts += [f"{counts.unparseable} unreadable answers"] if counts.unparseable else []
    parts += [f"{counts.refused} refusals"] if counts.refused else []
    return ", ".join(parts)


def _evaluation_lines(evaluation: Evaluation) -> Iterator[str]:
    for name, value in evaluation.metrics.items():
        if not name.startswith(_DETAILS):
            yield f"{title(name)}: {value_text(name, value)}"
    macro = evaluation.metrics.get("macro_f1")
    if macro is not None:
        yield f"Macro F1: {value_text('macro_f1', macro)}"
    if not evaluation.metrics:
        yield "No row has an answer: there is nothing to measure"
    yield f"Task: {evaluation.task}; {counts_text(evaluation.counts)}"
    if evaluation.latency is not None:
        yield f"Latency: median {evaluation.latency.p50:.2f} s, p95 {evaluation.latency.p95:.2f} s"
    if evaluation.cost is not None:
        yield f"Cost: {usd(evaluation.cost)}"
    if evaluation.judged is not None:
        yield from _judge_lines(evaluation.judged)


def _judge_lines(judged: JudgeReport) -> Iterator[str]:
    if judged.void:
        yield f"Judge: void, {judged.void}"
        return
    yield from (f"{name}: {count} ({count / max(1, judged.judged):.0%})" for name, count in judged.bands.items())
    yield f"Judged: {judged.judged} by {judged.model}, rubric {judged.rubric}; {judged.unjudged} without a verdict"
    if judged.corrected_pass_rate is not None:
        yield f"Pass rate corrected by people's labels: {judged.corrected_pass_rate.percent()}"
    if judged.consistency is not None:
        yield f"Repeats agree on {judged.consistency:.0%} of the answers"
    yield from (f"Note: {note}" for note in judged.notes)
    yield f"Flagged for human review: {len(judged.flagged)} examples"


def _comparison_lines(comparison: Comparison) -> Iterator[str]:
    yield f"Base: {_primary(comparison.base)}"
    yield f"Tuned: {_primary(comparison.tuned)}"
    if _shares(comparison):
        yield f"Improvement: {signed_percent(comparison.difference)}"
    else:
        difference = comparison.difference
        yield f"Improvement: {difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
    yield f"Verdict: {comparison.explanation}"
    yield f"Rows: {len(comparison.wins)} better, {len(comparison.losses)} worse, {comparison.ties} alike" + (
        f"; {comparison.unpaired} without both answers, left out" if comparison.unpaired else ""
    )
    effect = comparison.minimum_detectable_effect
    if effect is not None:
        size = f"{effect:.1%}" if _shares(comparison) else f"{effect:.3f}"
        yield f"Smallest difference that {comparison.n} rows show with probability 0.8: {size}"
    yield from (
        f"{part.title}: {part.difference.value:+.1%} (adjusted p = {part.adjusted_p_value:.2g}, "
        f"n = {part.difference.n})"
        for part in comparison.slices
        if part.adjusted_p_value < 0.05  # noqa: PLR2004 - the level of the whole comparison
    )
    base, tuned = comparison.base, comparison.tuned
    if base.latency is not None and tuned.latency is not None:
        yield f"Latency p95: {base.latency.p95:.2f} s base, {tuned.latency.p95:.2f} s tuned"
    if base.cost is not None and tuned.cost is not None:
        yield f"Cost: {usd(base.cost)} base, {usd(tuned.cost)} tuned"


def _regression_lines(result: RegressionResult) -> Iterator[str]:
    if not result.parts:
        yield f"{result.benchmark}: {result.tuned.model}"
        yield from _evaluation_lines(result.tuned)
        return
    for part in result.parts:
        yield from _part_lines(part, several=len(result.parts) > 1)
    yield f"Gate (margin {result.margin:.1%}): {result.outcome}" + (
        f", needs n≈{result.needs_n:,}" if result.outcome == "not enough data" and result.needs_n else ""
    )
    yield f"Base: {counts_text(result.base.counts)}" if result.base else ""
    yield f"Tuned: {counts_text(result.tuned.counts)}"


def _part_lines(part: Part, *, several: bool) -> Iterator[str]:
    prefix = f"{part.name}: " if several else ""
    yield f"{prefix}Base model: {part.base:.1%}"
    yield f"{prefix}Fine-tuned: {part.tuned:.1%}"
    yield f"{prefix}Regression: {signed_percent(part.difference)} ({part.outcome}: {part.reason})"


def _primary(evaluation: Evaluation) -> str:
    value = evaluation.value
    name = title(evaluation.primary)
    if value is None:
        return f"no answer, {evaluation.counts.errored} errors"
    shown = value_text(evaluation.primary, value)
    number, _, interval = shown.partition(" ")
    return f"{number} {name[:1].lower()}{name[1:]} {interval}"


def _shares(comparison: Comparison) -> bool:
    return comparison.difference.method == "Tango"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
