"""A look on fresh rows tells what changed, with an interval, and never a no where there are too few rows."""

import attrs
import pytest

from finetuner._core import codec
from finetuner.deployment.reevaluation import NEW_LABEL_ROWS, Look, Reevaluation, against, difference
from finetuner.errors import UsageError
from finetuner.evaluation.statistics.estimate import Estimate
from finetuner.evaluation.statistics.proportions import newcombe_difference, wilson


def look(right: int, n: int = 400, *, verdict: str = "better", gain: float = 0.05, **labels: int) -> Look:
    return Look(
        id="c",
        at=0.0,
        dataset=f"{right:064d}",
        source="requests.jsonl",
        metric="accuracy",
        base=wilson(n // 2, n),
        tuned=wilson(right, n),
        difference=Estimate(value=gain, low=gain - 0.04, high=gain + 0.04, n=n),
        verdict=verdict,
        labels=labels,
    )


def test_the_difference_of_wilson_intervals_is_newcombes() -> None:
    before, after = wilson(56, 70), wilson(48, 80)
    found, known = difference(before, after), newcombe_difference(48, 80, 56, 70)
    assert (found.value, found.low, found.high, found.n) == pytest.approx(
        (known.value, known.low, known.high, known.n), abs=1e-12
    )


def test_intervals_of_different_levels_are_not_mixed() -> None:
    with pytest.raises(UsageError, match="levels"):
        difference(wilson(5, 10), wilson(5, 10, confidence=0.9))


def test_a_first_look_is_held_against_base_alone() -> None:
    found = against(look(300), (), None, margin=0.02)
    assert (found.before, found.change, found.fell) == (None, None, False)
    assert "quality holds within 2.0%" in str(found)


@pytest.mark.parametrize(("right", "fell"), [(340, None), (200, True)])
def test_quality_fell_only_where_the_whole_interval_says_so(right: int, fell: bool | None) -> None:
    found = against(look(right), (), look(345), margin=0.02)
    assert found.fell is fell
    assert found.change is not None
    assert ("quality fell" in str(found)) == bool(fell)


def test_enough_rows_show_that_quality_holds() -> None:
    assert against(look(34_000, 40_000), (), look(34_050, 40_000), margin=0.02).fell is False


def test_a_model_that_is_worse_than_base_fell_whatever_it_was_before() -> None:
    assert against(look(345, verdict="worse", gain=-0.1), (), look(345), margin=0.02).fell is True


def test_values_of_another_metric_are_not_compared() -> None:
    other = attrs.evolve(look(345), metric="exact_match")
    assert against(look(200), (), other, margin=0.02).change is None


def test_a_label_is_new_until_the_model_is_made_for_it_and_a_slip_is_none() -> None:
    first = look(345, refund=200, card=200)
    new = look(344, refund=190, card=190, crypto=NEW_LABEL_ROWS, cardd=NEW_LABEL_ROWS - 1)
    found = against(new, (), first, margin=0.02)
    assert found.new_labels == {"crypto": NEW_LABEL_ROWS}
    assert "new labels: crypto (5 rows)" in str(found)
    again = against(attrs.evolve(new, dataset="2"), (found,), first, margin=0.02)
    assert again.before == new
    assert again.new_labels == {"crypto": NEW_LABEL_ROWS}
    assert against(new, (), first, margin=0.02, known=("refund", "card", "crypto")).new_labels == {}
    assert against(new, (), None, margin=0.02).new_labels == {}, "without any knowledge nothing is new"


def test_what_is_kept_is_what_was_made() -> None:
    found = against(look(200, refund=10), (), look(345, refund=9), margin=0.02)
    assert codec.structure(codec.decode(codec.encode(codec.unstructure(found))), Reevaluation) == found
