import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetuner.providers.model import Model
from finetuner.providers.ports import Checkpoint
from finetuner.training.curve import Curve, CurvePoint
from finetuner.training.verdict import best_checkpoint, standard_error, verdict

LOSSES = st.lists(st.floats(1e-3, 10.0), min_size=2, max_size=30)


def saved(*losses):
    return tuple(
        Checkpoint(id=f"c{n}", model=f"m{n}", step=10 * n, epoch=n, metrics={"valid_loss": loss})
        for n, loss in enumerate(losses, 1)
    )


def curve(valid=(), train=(), every=10):
    points = [CurvePoint(step=every * n, valid_loss=loss) for n, loss in enumerate(valid, 1)]
    points += [CurvePoint(step=n, train_loss=loss) for n, loss in enumerate(train, 1)]
    return Curve(tuple(sorted(points, key=lambda point: point.step)))


def best(checkpoints):
    return best_checkpoint(checkpoints, lambda checkpoint: Model(f"scripted:{checkpoint.model}"))


class TestBestCheckpoint:
    def test_the_lowest_validation_loss_is_best_and_answers_as_a_model(self):
        found = best(saved(0.9, 0.5, 0.8))
        assert found.checkpoint.id == "c2"
        assert str(found.model) == "scripted:m2"
        assert "lowest validation loss (0.5000) of 3" in found.reason

    def test_of_two_that_differ_by_noise_the_earlier_is_best(self):
        found = best(saved(0.9, 0.501, 0.5))
        assert found.checkpoint.id == "c2"
        assert "within one standard error" in found.reason

    def test_without_validation_the_last_is_best_and_it_says_so(self):
        plain = tuple(Checkpoint(id=f"c{n}", model="m", step=n) for n in (1, 2))
        assert best(plain).checkpoint.id == "c2"
        assert "without validation data" in best(plain).reason
        assert best(()) is None

    @settings(deadline=None)  # the clock belongs to whoever else runs here
    @given(LOSSES)
    def test_it_is_never_worse_than_the_lowest_by_more_than_one_standard_error(self, losses):
        found = best(saved(*losses))
        assert found.checkpoint.metrics["valid_loss"] <= min(losses) + standard_error(losses)


class TestOverfitting:
    def test_a_lasting_rise_is_overfitting_with_its_evidence(self):
        found = verdict(curve(valid=(0.9, 0.5, 0.6, 0.8), train=[1 / n for n in range(1, 41)]))
        assert found.shape == "overfitting"
        assert "rose from 0.5000 (step 20) to 0.8000" in found.reason
        assert "training loss fell from 0.05" in found.reason
        assert "2 times in a row" in found.reason
        assert "use the checkpoint of step 20" in found.reason

    def test_a_rise_within_noise_is_none(self):
        assert verdict(curve(valid=(0.9, 0.5, 0.503))).shape == "good"

    def test_one_bad_validation_at_the_end_needs_three_standard_errors_or_company(self):
        assert verdict(curve(valid=(0.9, 0.5, 0.512))).shape == "good"
        assert verdict(curve(valid=(0.9, 0.5, 0.6))).shape == "overfitting"
        assert verdict(curve(valid=(0.9, 0.6, 0.5, 0.5, 0.6))).shape == "good"

    def test_noisy_validations_that_level_off_are_seldom_called_overfitting(self):
        """Batch losses of deviation 10 % around a level curve: fewer than 1 in 10 false alarms over 200 curves."""
        alarms = 0
        for seed in range(200):
            noise = random.Random(seed)
            losses = [(0.5 + 1.5 * 0.6**n) * (1 + noise.gauss(0, 0.1)) for n in range(30)]
            alarms += verdict(curve(valid=losses)).shape == "overfitting"
        assert alarms < 20


class TestOtherShapes:
    def test_a_loss_that_still_falls_is_underfitting(self):
        assert verdict(curve(valid=(0.9, 0.7, 0.5))).shape == "underfitting"

    def test_a_training_loss_that_hardly_falls_is_underfitting(self):
        found = verdict(curve(valid=(0.99, 0.98, 0.98), train=[1.0 - n / 1000 for n in range(30)]))
        assert found.shape == "underfitting"
        assert "hardly fell" in found.reason

    @pytest.mark.parametrize("train", [(1.0, 1.2, 3.0), (1.0, float("nan")), (1.0, float("inf"))])
    def test_a_training_loss_that_grows_or_breaks_is_divergence(self, train):
        assert verdict(curve(valid=(0.9, 0.8), train=train)).shape == "diverged"

    def test_both_losses_rising_is_divergence_not_overfitting(self):
        found = verdict(curve(valid=(0.9, 0.5, 0.7, 0.9), train=[1.0] * 10 + [0.5] * 10 + [0.8] * 20))
        assert found.shape == "diverged"
        assert "lower the learning rate" in found.reason

    def test_few_steps_or_one_validation_say_nothing(self):
        assert verdict(curve(train=(1.0, 0.5))).shape == "too few steps"
        assert verdict(curve(valid=(0.9,))).shape == "too few steps"
        assert verdict(Curve(())).shape == "too few steps"

    def test_without_validation_it_says_that_overfitting_cannot_be_seen(self):
        found = verdict(curve(train=[1.0] * 10 + [0.5] * 10))
        assert found.shape == "not validated"
        assert "from 1.0000 to 0.5000" in found.reason

    @settings(deadline=None)  # the clock belongs to whoever else runs here
    @given(LOSSES, LOSSES)
    def test_there_is_a_verdict_and_a_reason_whatever_the_losses(self, valid, train):
        assert verdict(curve(valid=valid, train=train)).reason
