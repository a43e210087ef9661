"""Judging the answers of an evaluation: controls first, every verdict journalled, nothing paid for twice."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager

import attrs

from finetuner._core.clock import Clock
from finetuner._core.concurrency import ConcurrencyPolicy
from finetuner._core.hashing import json_sha256
from finetuner.data.examples import Example
from finetuner.evaluation.budget import NOTHING, Budget, Limits, Spent
from finetuner.evaluation.calibration import with_calibration
from finetuner.evaluation.execution import Outcome, Work
from finetuner.evaluation.judge import KNOWN_BAD, Judge, Verdict, report, void_reason
from finetuner.evaluation.judge_prompt import LONGEST_CANDIDATE
from finetuner.evaluation.pricing import Pricing
from finetuner.evaluation.results import Evaluation
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.providers.ports import Usage
from finetuner.records.answer_log import AnswerLog
from finetuner.records.evaluations import EvaluationRecords

_BYTES_AROUND = 4_000


@attrs.frozen(kw_only=True)
class CourtLimits:
    """What a judge may use.

    Attributes:
        limits: What it may spend.
        policy: How many calls at once.
        clock: Time.
    """

    limits: Limits
    policy: ConcurrencyPolicy
    clock: Clock


@attrs.frozen(kw_only=True)
class Court:
    """The judging of one evaluation under way: everything but the calls.

    Controls (answers known to be bad) are judged on the first example, as rows -1, -2, …

    Attributes:
        id: Decided by evaluation, judge and rubric.
        judge: Who judges.
        evaluation: What is judged.
        examples: Its data.
        records: Where verdicts are kept.
        limits: What the judge may use.
        pricing: What its replies cost.
        verdicts: Those that are there, by row number.
        void: Why nothing counts, or None.
        log: Where new verdicts are kept, while it sits.
    """

    id: str
    judge: Judge
    evaluation: Evaluation
    examples: tuple[Example, ...]
    records: EvaluationRecords
    limits: CourtLimits
    pricing: Pricing
    verdicts: Mapping[int, Verdict]
    void: str | None = None
    log: AnswerLog | None = attrs.field(default=None, eq=False, repr=False)

    @classmethod
    def open(
        cls,
        judge: Judge,
        evaluation: Evaluation,
        examples: tuple[Example, ...],
        records: EvaluationRecords,
        limits: CourtLimits,
    ) -> "Court":
        """Connect the judge and find the verdicts that earlier runs left."""
        judge = attrs.evolve(judge, model=judge.model.connected())
        pricing = Pricing.of(judge.model)
        pricing.require(judge.model, limits.limits.usd)
        own_id = json_sha256({"evaluation": evaluation.id, "judge": judge.fingerprint, "controls": list(KNOWN_BAD)})
        records.begin(own_id, model=str(judge.model), dataset=evaluation.dataset, kind="judgement")
        return cls(
            id=own_id,
            judge=judge,
            evaluation=evaluation,
            examples=examples,
            records=records,
            limits=limits,
            pricing=pricing,
            verdicts=records.answers(own_id, Verdict),
        )

    @contextmanager
    def keeping(self) -> Generator["Court"]:
        """The court while it sits: verdicts are kept as they come."""
        with self.records.keeping(self.id) as log:
            yield attrs.evolve(self, log=log)

    def controls(self) -> Work[Verdict]:
        """The calls that judge the known-bad answers."""
        return self._work([-number for number in range(1, len(KNOWN_BAD) + 1)])

    def after_controls(self, outcomes: Mapping[int, Outcome[Verdict]]) -> "Court":
        """The court that knows whether its judge can be believed."""
        verdicts = self._with(outcomes)
        failed = next((outcome.error for outcome in outcomes.values() if outcome.error is not None), None)
        if failed is not None:
            return attrs.evolve(self, verdicts=verdicts, void=f"the control answers couldn't be judged: {failed}")
        probes = {answer: verdicts[-number] for number, answer in enumerate(KNOWN_BAD, start=1)}
        return attrs.evolve(self, verdicts=verdicts, void=void_reason(probes))

    def answers(self) -> Work[Verdict]:
        """The calls that judge the answers; none where the judge can't be believed."""
        rows = [row.index for row in self.evaluation.rows if row.answer is not None]
        return self._work([] if self.void else rows)

    def close(self, outcomes: Mapping[int, Outcome[Verdict]]) -> Evaluation:
        """The evaluation with what the judge says, kept in the journal without rows."""
        verdicts = self._with(outcomes)
        cost = sum(self.pricing.cost(verdict.usage) for verdict in verdicts.values()) if self.pricing.known else None
        judged = report(
            self.judge,
            {row: verdict for row, verdict in sorted(verdicts.items()) if row >= 0},
            void=self.void,
            unasked=[row for row, outcome in outcomes.items() if outcome.value is None],
            cost=cost,
        )
        judged = with_calibration(judged, self.evaluation.model, self.records)
        added: dict[str, Estimate | None] = {"judge_pass_rate": judged.pass_rate, "judge_score": judged.score}
        metrics = {name: value for name, value in added.items() if value is not None}
        result = attrs.evolve(self.evaluation, judged=judged, metrics={**self.evaluation.metrics, **metrics})
        self.records.finish(self.id, result.summary())
        self.records.finish(result.id, result.summary())
        return result

    def worst_cost(self) -> Spent:
        """What the judging that is left may cost at most."""
        controls = [-number for number in range(1, len(KNOWN_BAD) + 1)]
        rows = [row.index for row in self.evaluation.rows if row.answer is not None]
        left = [row for row in (*controls, *rows) if row not in self.verdicts]
        return sum(map(self._worst_price, left), NOTHING)

    def _with(self, outcomes: Mapping[int, Outcome[Verdict]]) -> dict[int, Verdict]:
        new = {row: outcome.value for row, outcome in outcomes.items() if outcome.value is not None}
        return {**self.verdicts, **new}

    def _work(self, rows: Sequence[int]) -> Work[Verdict]:
        return Work(
            rows=[row for row in rows if row not in self.verdicts],
            ask=lambda row: self.judge.judge(*self._case(row)),
            ask_async=lambda row: self.judge.judge_async(*self._case(row)),
            keep=self._keep,
            budget=Budget(
                limits=self.limits.limits,
                spent=sum(map(self.pricing.spent, self.verdicts.values()), NOTHING),
                price=self.pricing.spent,
                worst_price=self._worst_price,
            ),
            policy=self.limits.policy,
            clock=self.limits.clock,
            advanced=lambda _settled, _spent, _seconds: None,
        )

    def _keep(self, row: int, verdict: Verdict) -> None:
        assert self.log is not None, "a court sits inside `keeping`"
        self.log.append(row, verdict)

    def _case(self, row: int) -> tuple[Example, str]:
        if row < 0:
            return self.examples[0], KNOWN_BAD[-row - 1]
        return self.examples[row], self.evaluation.rows[row].answer or ""

    def _worst_price(self, row: int) -> Spent:
        example, answer = self._case(row)
        shown = example.user_text + example.completion + answer[:LONGEST_CANDIDATE]
        prompt = len(shown.encode()) + _BYTES_AROUND
        each = self.judge.repeats
        return self.pricing.of_usage(Usage(prompt_tokens=each * prompt, completion_tokens=each * self.judge.max_tokens))
