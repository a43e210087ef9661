from datetime import date

import pytest

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.errors import BudgetExceededError, UnknownNameError, UsageError
from finetuner.providers.catalog import BaseModel, Catalog, Prices
from finetuner.testing import ScriptedProvider
from finetuner.training.estimate import CostEstimate, compare_costs, estimate

PRICES = Prices(training=25.0, input=3.0, cached_input=0.75, output=12.0, batch_input=1.5, batch_output=6.0)
DATA = Dataset.from_examples(
    [Example(messages=(user(f"question {n}"), assistant("billing" if n % 2 else "account"))) for n in range(20)]
)


def cost(**changes):
    values = {
        "model": "openai:big",
        "examples": 1000,
        "tokens": 150_000,
        "input_tokens": 140.0,
        "output_tokens": 10.0,
        "exact": True,
        "epochs": 3,
        "prices": PRICES,
        "source": "a price list",
        "as_of": date(2026, 6, 27),
    }
    return CostEstimate(**(values | changes))


def entry(name, *, methods=("supervised",), **changes):
    return BaseModel(id=f"scripted:{name}", methods=methods, **changes)


def provider(*models):
    return ScriptedProvider(catalog=Catalog(provider="scripted", models=models))


def test_the_workflows_own_example():
    """150 tokens x 1,000 examples x 3 epochs at 25 USD a million."""
    assert str(cost()) == "Total tokens: 450,000\nTraining cost: $11.25 (big)"
    assert cost().usd == pytest.approx(11.25)


def test_inference_at_a_stated_volume():
    month = cost().inference(1_000_000)
    assert (month.input_usd, month.output_usd) == (pytest.approx(420.0), pytest.approx(120.0))
    assert month.monthly_usd == pytest.approx(540.0)
    assert month.batch_usd == pytest.approx(270.0)
    assert str(month).splitlines() == [
        "Inference for 1,000,000 requests a month:",
        "  Input: $420.00 (140 tokens a request)",
        "  Output: $120.00 (10 tokens an answer)",
        "  Monthly: $540.00",
        "  Monthly in batches: $270.00",
    ]


def test_batch_and_cache_discounts_do_not_stack():
    month = cost().inference(1_000_000, cached_share=0.5)
    assert month.cached_usd == pytest.approx(0.5 * 140 * 0.75 + 0.5 * 140 * 3.0 + 120.0)
    assert month.lowest_usd == pytest.approx(270.0), "the batch alone, not a batch of cached input"
    assert "don't stack" in str(month)


def test_an_unknown_price_stays_unknown():
    unknown = cost(prices=Prices())
    assert unknown.usd is None
    assert unknown.inference().monthly_usd is None
    assert unknown.inference().lowest_usd is None
    assert "unknown (no price in the catalog)" in str(unknown)
    assert {each.figure: each.grade for each in unknown.sureness}["price"] == "unknown"


@pytest.mark.parametrize("wrong", [{"requests": -1}, {"cached_share": 1.5}])
def test_volumes_that_cannot_be_are_refused(wrong):
    with pytest.raises(UsageError, match="0 or more"):
        cost().inference(**wrong)


def test_each_figure_says_how_sure_it_is():
    grades = {each.figure: each for each in cost(exact=False, epochs_given=False).sureness}
    assert grades["tokens"].grade == "estimated"
    assert grades["epochs"].grade == "assumed"
    assert str(grades["price"]) == "price: dated ($25 per million training tokens; 2026-06-27, a price list)"
    assert cost().sureness[0].grade == "exact"


def test_a_limit_is_kept():
    cost().within(11.25)
    cost().within(None)
    with pytest.raises(
        BudgetExceededError, match=r"would cost \$11\.25, more than the limit of \$5\.00; nothing was sent"
    ):
        cost().within(5.0)
    with pytest.raises(BudgetExceededError, match="is unknown"):
        cost(prices=Prices()).within(5.0)


def test_a_provider_may_be_named(tmp_path):
    found = estimate(DATA, provider="local", model="ngram-small", workspace=str(tmp_path))
    assert found.model == "local:ngram-small"
    assert found.tokens == DATA.tokens("ngram-small").total
    assert not found.epochs_given
    with pytest.raises(UnknownNameError, match="known: ngram-small"):
        estimate(DATA, provider="local", model="missing", workspace=str(tmp_path))


def test_all_tunable_models_side_by_side():
    models = (
        entry("dear", prices=Prices(training=25.0)),
        entry("unknown"),
        entry("cheap", prices=Prices(training=3.0)),
        entry("retired", prices=Prices(training=1.0), retires=date(2020, 1, 1)),
        entry("pairs", methods=("dpo",), prices=Prices(training=1.0)),
    )
    found = compare_costs(DATA, [provider(*models)], epochs=2)
    assert [each.model for each in found] == ["scripted:cheap", "scripted:dear", "scripted:unknown"]
    assert found[0].training_tokens == 2 * DATA.tokens("cheap").total
