"""Batches: the same result for less money, created once, found again after a death, and complete in their counts."""

import asyncio

import attrs
import pytest

from finetuner.errors import BudgetExceededError, ProviderConnectionError, UsageError
from finetuner.evaluation.run import evaluate, evaluate_async
from finetuner.providers.catalog import BaseModel, Catalog, Prices
from finetuner.providers.model import Model
from finetuner.providers.ports import BatchAnswer, BatchSnapshot, Completion, JobFailure, Provider, Usage

PAIRS = [(f"question {i}", ("billing", "bug")[i % 2]) for i in range(20)]
PRICES = Prices(input=1000.0, output=1000.0, batch_input=500.0, batch_output=500.0)


@attrs.define
class Batches:
    """A batch interface that takes three looks to answer."""

    lost: bool = False
    refused: frozenset[int] = frozenset()
    created: list[list[str]] = attrs.field(factory=list)
    keys: list[str] = attrs.field(factory=list)
    looks: int = 0
    expired: bool = False

    def create(self, _model, requests, *, key=""):
        self.created.append([request.messages[-1].text for request in requests])
        self.keys.append(key)
        if self.lost:
            self.lost = False
            raise ProviderConnectionError("lost")
        return self._snapshot(len(self.keys) - 1)

    def find(self, key):
        return self._snapshot(self.keys.index(key)) if key in self.keys else None

    def get(self, batch_id):
        self.looks += 1
        return self._snapshot(int(batch_id))

    def answers(self, batch_id):
        if self.expired:
            return
        for text in reversed(self.created[int(batch_id)]):
            row = int(text.split()[1])
            if row in self.refused and int(batch_id) == 0:
                yield BatchAnswer(id=str(row), failure=JobFailure(message="too long", code="context"))
            else:
                usage = Usage(prompt_tokens=10, completion_tokens=2)
                completion = Completion(text=("billing", "bug")[row % 2], model="m", usage=usage)
                yield BatchAnswer(id=str(row), completion=completion)

    def cancel(self, batch_id):
        raise NotImplementedError

    def _snapshot(self, number):
        status = "running" if self.looks < 3 else "cancelled" if self.expired else "succeeded"
        return BatchSnapshot(
            id=str(number), status=status, created_at=0.0, raw_status="expired" if self.expired else None
        )


def model_of(batches, prices=PRICES):
    catalog = Catalog(provider="test", models=(BaseModel(id="test:m", prices=prices),))
    return Model("test:m", provider=Provider(name="test", formats=(), catalog=catalog, batches=batches))


def test_a_batch_gives_the_same_result_at_half_the_price(rows, model, place, clock):
    """Row by row like single calls; only the cost differs."""
    single, _ = model(lambda text: ("billing", "bug")[int(text.split()[1]) % 2], prices=PRICES)
    plain = evaluate(single, rows(PAIRS), workspace=place / "plain")
    batched = evaluate(model_of(Batches()), rows(PAIRS), workspace=place / "batch", batch=True, clock=clock)
    assert batched.metrics == plain.metrics
    assert [row.answer for row in batched.rows] == [row.answer for row in plain.rows]
    assert batched.cost == pytest.approx(plain.cost / 2)
    assert clock.slept == [1.0, 1.5, 2.25]


def test_a_lost_creation_is_found_and_not_paid_twice(rows, place, clock):
    batches = Batches(lost=True)
    result = evaluate(model_of(batches), rows(PAIRS), workspace=place, batch=True, clock=clock)
    assert result.counts.answered == 20
    assert len(batches.created) == 1


def test_a_run_that_ended_early_finds_its_batch(rows, place, clock):
    """Time over, or killed: the batch goes on, and the next run collects it."""
    batches = Batches()
    with pytest.raises(BudgetExceededError, match="run again to collect its 20 answers"):
        evaluate(model_of(batches), rows(PAIRS), workspace=place, batch=True, max_seconds=1.0, clock=clock)
    result = asyncio.run(evaluate_async(model_of(batches), rows(PAIRS), workspace=place, batch=True, clock=clock))
    assert result.counts.answered == 20
    assert len(batches.created) == 1


def test_rows_that_failed_are_counted_and_asked_again(rows, place, clock):
    """A second run asks only for what the first batch refused."""
    batches = Batches(refused=frozenset({3, 4}))
    first = evaluate(model_of(batches), rows(PAIRS), workspace=place, batch=True, clock=clock)
    assert (first.counts.answered, first.counts.errored, first.rows[3].error) == (18, 2, "too long")
    second = evaluate(model_of(batches), rows(PAIRS), workspace=place, batch=True, clock=clock)
    assert second.counts.answered == 20
    assert batches.created[1] == ["question 3", "question 4"]


def test_an_expired_batch_leaves_no_row_out(rows, place, clock):
    result = evaluate(model_of(Batches(expired=True)), rows(PAIRS), workspace=place, batch=True, clock=clock)
    assert result.counts.errored == 20
    assert result.rows[0].error == "batch 0 has no answer to this row: expired"


def test_what_might_cost_too_much_is_not_even_created(rows, place, clock):
    batches = Batches()
    with pytest.raises(BudgetExceededError):
        evaluate(model_of(batches), rows(PAIRS), workspace=place, batch=True, max_usd=0.01, clock=clock)
    assert not batches.created


def test_providers_without_batches_say_so(rows, model, place):
    with pytest.raises(UsageError, match="no batch interface"):
        evaluate(model(lambda _: "bug")[0], rows(PAIRS), workspace=place, batch=True)
