"""Which of two models' answers a judge prefers: each pair in both orders, controls first, every reply journalled.

A judge that changes its mind with the order decides nothing: such a pair is a tie, and flagged for a person.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import Literal

import attrs

from finetuner._core.hashing import json_sha256
from finetuner.data.examples import Example, Message
from finetuner.errors import UsageError
from finetuner.evaluation.budget import NOTHING, Budget, Spent
from finetuner.evaluation.comparison import Comparison
from finetuner.evaluation.execution import Outcome, Work, run_tasks, run_threads
from finetuner.evaluation.judge import KNOWN_BAD, Judge
from finetuner.evaluation.judge_prompt import LONGEST_CANDIDATE
from finetuner.evaluation.pairwise_prompt import PROMPT_FINGERPRINT, SCHEMA, Choice, messages, read_choice
from finetuner.evaluation.ports import LabeledData
from finetuner.evaluation.pricing import Pricing
from finetuner.evaluation.run import opened
from finetuner.evaluation.session import Place, Settings
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.evaluation.statistics.paired import PairedCounts, mcnemar_exact, tango_interval
from finetuner.providers.model import Model
from finetuner.providers.ports import CompletionOptions, Usage
from finetuner.records.answer_log import AnswerLog
from finetuner.records.evaluations import EvaluationRecords

Winner = Literal["tuned", "base", "tie"]
"""Whose answer is better."""

_BYTES_AROUND = 4_000


@attrs.frozen(kw_only=True)
class Reply:
    """What the judge said to one pair in one order.

    Attributes:
        choice: Its choice; None where it couldn't be read.
        usage: Tokens.
    """

    choice: Choice | None
    usage: Usage


@attrs.frozen(kw_only=True)
class Preference:
    """Whose answers a judge prefers.

    Attributes:
        judge: `provider:model` of the judge.
        void: Why nothing here counts; None where all is well.
        winners: By row number; a pair judged differently in the two orders is a tie.
        flagged: Rows that a person should look at: the orders disagree, or a reply couldn't be read or had.
        position_bias: Share of pairs where the order decided; None where none was judged.
        difference: Share of pairs won by the tuned model minus those lost (Tango's interval); None where void.
        p_value: Of wins against losses, two-sided (exact sign test); None where void.
        cost: USD; None where the price is unknown.
    """

    judge: str
    void: str | None
    winners: Mapping[int, Winner]
    flagged: tuple[int, ...]
    position_bias: float | None
    difference: Estimate | None
    p_value: float | None
    cost: float | None

    @property
    def wins(self) -> int:
        """Pairs in which the tuned model's answer is better."""
        return list(self.winners.values()).count("tuned")

    @property
    def losses(self) -> int:
        """Pairs in which the base model's answer is better."""
        return list(self.winners.values()).count("base")


def prefer(
    judge: Judge,
    comparison: Comparison,
    data: LabeledData,
    *,
    workspace: Place = None,
    settings: Settings | None = None,
) -> Preference:
    """Have a judge compare the answers of two models, row by row and in both orders.

    Args:
        judge: Who judges.
        comparison: With the rows of both models.
        data: The data that both answered.
        workspace: Where replies are kept.
        settings: Concurrency, budget, clock.

    Raises:
        UsageError: The comparison has no rows (it is a summary), or the data are others.
        FinetunerError: As `evaluate`.
    """
    options = settings or Settings()
    with opened(options.journal, workspace or options.workspace) as records:
        bench = _Bench.open(judge, comparison, data, records, options)
        with records.keeping(bench.id) as log:
            replies = bench.after(run_threads(bench.work(bench.controls, log)).outcomes)
            void = bench.void(replies)
            rows = [] if void else bench.questions
            return bench.close(bench.after(run_threads(bench.work(rows, log)).outcomes, replies), void)


async def prefer_async(
    judge: Judge,
    comparison: Comparison,
    data: LabeledData,
    *,
    workspace: Place = None,
    settings: Settings | None = None,
) -> Preference:
    """Like `prefer`, without blocking the event loop."""
    options = settings or Settings()
    with opened(options.journal, workspace or options.workspace) as records:
        bench = _Bench.open(judge, comparison, data, records, options)
        with records.keeping(bench.id) as log:
            replies = bench.after((await run_tasks(bench.work(bench.controls, log))).outcomes)
            void = bench.void(replies)
            rows = [] if void else bench.questions
            return bench.close(bench.after((await run_tasks(bench.work(rows, log))).outcomes, replies), void)


@attrs.frozen(kw_only=True)
class _Bench:
    """One comparison by a judge under way.

    Question 2 i asks about row i with base first, 2 i + 1 with tuned first; controls have negative numbers, and set an
    answer known to be bad against the reference.
    """

    id: str
    judge: Judge
    comparison: Comparison
    examples: tuple[Example, ...]
    settings: Settings
    pricing: Pricing
    kept: dict[int, Reply]

    @classmethod
    def open(
        cls, judge: Judge, comparison: Comparison, data: LabeledData, records: EvaluationRecords, settings: Settings
    ) -> "_Bench":
        if not comparison.tuned.rows or comparison.tuned.dataset != data.fingerprint:
            raise UsageError("a judge needs the comparison with its rows, and the data that it was made on")
        judge = attrs.evolve(judge, model=Model.of(judge.model).connected())
        own = json_sha256({"comparison": comparison.id, "judge": judge.fingerprint, "prompt": PROMPT_FINGERPRINT})
        records.begin(own, model=str(judge.model), dataset=data.fingerprint, kind="preference")
        pricing = Pricing.of(judge.model)
        pricing.require(judge.model, settings.max_usd)
        return cls(
            id=own,
            judge=judge,
            comparison=comparison,
            examples=tuple(data),
            settings=settings,
            pricing=pricing,
            kept=records.answers(own, Reply),
        )

    @property
    def controls(self) -> list[int]:
        return [-number for number in range(1, 2 * len(KNOWN_BAD) + 1)]

    @property
    def questions(self) -> list[int]:
        pairs = zip(self.comparison.base.rows, self.comparison.tuned.rows, strict=True)
        rows = [base.index for base, tuned in pairs if base.answer is not None and tuned.answer is not None]
        return [2 * row + order for row in rows for order in (0, 1)]

    def work(self, questions: Sequence[int], log: AnswerLog) -> Work[Reply]:
        options = CompletionOptions(max_tokens=self.judge.max_tokens, response_schema=SCHEMA)

        def told(question: int) -> Reply:
            completion = self.judge.model.complete(self._told(question), options)
            return Reply(choice=read_choice(completion.text), usage=completion.usage)

        async def told_async(question: int) -> Reply:
            completion = await self.judge.model.complete_async(self._told(question), options)
            return Reply(choice=read_choice(completion.text), usage=completion.usage)

        return Work(
            rows=[question for question in questions if question not in self.kept],
            ask=told,
            ask_async=told_async,
            keep=log.append,
            budget=Budget(
                limits=self.settings.limits,
                spent=sum(map(self.pricing.spent, self.kept.values()), NOTHING),
                price=self.pricing.spent,
                worst_price=self._worst_price,
            ),
            policy=self.settings.policy,
            clock=self.settings.clock,
            advanced=lambda _settled, _spent, _seconds: None,
        )

    def after(
        self, outcomes: Mapping[int, Outcome[Reply]], replies: Mapping[int, Reply] | None = None
    ) -> dict[int, Reply]:
        new = {question: outcome.value for question, outcome in outcomes.items() if outcome.value is not None}
        return {**self.kept, **(replies or {}), **new}

    def void(self, replies: Mapping[int, Reply]) -> str | None:
        """Why the judge can't be believed: it prefers an answer known to be bad, or no reply of it can be read."""
        heard = {number: replies[number].choice for number in self.controls if number in replies}
        if not any(heard.values()):
            return "no reply of the judge to the control answers could be read"
        fooled = {_bad(number) for number, choice in heard.items() if choice == ("first" if number % 2 else "second")}
        if not fooled:
            return None
        return f"the judge preferred answers that are known to be bad: {', '.join(map(repr, sorted(fooled)))}"

    def close(self, replies: Mapping[int, Reply], void: str | None) -> Preference:
        winners: dict[int, Winner] = {}
        flagged: list[int] = []
        asked = sorted({question // 2 for question in self.questions})
        for row in [] if void else asked:
            base_first, tuned_first = (replies.get(2 * row + order) for order in (0, 1))
            orders = (_winner(base_first, "base", "tuned"), _winner(tuned_first, "tuned", "base"))
            if None in orders or orders[0] != orders[1]:
                flagged.append(row)
            if orders[0] is not None and orders[1] is not None:
                winners[row] = orders[0] if orders[0] == orders[1] else "tie"
        counts = _counts(list(winners.values())) if winners else None
        return Preference(
            judge=str(self.judge.model),
            void=void,
            winners=winners,
            flagged=tuple(flagged),
            position_bias=sum(row in winners for row in flagged) / len(winners) if winners else None,
            difference=tango_interval(counts) if counts else None,
            p_value=mcnemar_exact(counts) if counts else None,
            cost=sum(self.pricing.cost(reply.usage) for reply in replies.values()) if self.pricing.known else None,
        )

    def _told(self, question: int) -> tuple[Message, ...]:
        mark = f"<<{secrets.token_hex(12)}>>"
        return messages(self.judge.rubric, self._example(question), *self._answers(question), mark)

    def _example(self, question: int) -> Example:
        return self.examples[0 if question < 0 else question // 2]

    def _answers(self, question: int) -> tuple[str, str]:
        """The two answers in the order of the question."""
        if question < 0:
            bad, good = _bad(question), self.examples[0].completion
            return (bad, good) if question % 2 else (good, bad)
        row, tuned_first = divmod(question, 2)
        base, tuned = (side.rows[row].answer or "" for side in (self.comparison.base, self.comparison.tuned))
        return (tuned, base) if tuned_first else (base, tuned)

    def _worst_price(self, question: int) -> Spent:
        example = self._example(question)
        shown = [example.user_text, example.completion, *(text[:LONGEST_CANDIDATE] for text in self._answers(question))]
        prompt = sum(len(text.encode("utf-8", "replace")) for text in shown) + _BYTES_AROUND
        return self.pricing.of_usage(Usage(prompt_tokens=prompt, completion_tokens=self.judge.max_tokens))


def _counts(said: Sequence[Winner]) -> PairedCounts:
    """Wins and losses as the rows that only one model has right; ties as those that both have."""
    return PairedCounts(both=said.count("tie"), tuned_only=said.count("tuned"), base_only=said.count("base"), neither=0)


def _bad(control: int) -> str:
    return KNOWN_BAD[(-control - 1) // 2]


def _winner(reply: Reply | None, first: Winner, second: Winner) -> Winner | None:
    if reply is None or reply.choice is None:
        return None
    return first if reply.choice == "first" else second if reply.choice == "second" else "tie"
