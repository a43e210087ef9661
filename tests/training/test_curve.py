from finetuner.providers.ports import Checkpoint, JobEvent
from finetuner.training.curve import Curve, best_checkpoint, verdict


def saved(*losses):
    return tuple(
        Checkpoint(id=f"c{n}", model=f"m{n}", step=10 * n, epoch=n, metrics={"valid_loss": loss})
        for n, loss in enumerate(losses, 1)
    )


def curve(*losses):
    return Curve.from_events(
        JobEvent(id=str(n), created_at=n, message="", metrics={"step": n, "train_loss": loss})
        for n, loss in enumerate(losses, 1)
    )


def test_events_of_one_step_are_merged():
    events = [
        JobEvent(id="1", created_at=1, message="", metrics={"step": 2, "train_loss": 0.5, "epoch": 1}),
        JobEvent(id="2", created_at=2, message="", metrics={"step": 2, "valid_loss": 0.7}),
        JobEvent(id="3", created_at=3, message="no metrics"),
    ]
    (point,) = Curve.from_events(events).points
    assert (point.step, point.epoch, point.train_loss, point.valid_loss) == (2, 1, 0.5, 0.7)


def test_the_latest_value_skips_points_without_it():
    assert curve(3.0, 2.0).latest("train_loss") == 2.0
    assert curve(3.0, 2.0).latest("valid_loss") is None


def test_the_lowest_validation_loss_is_best():
    best = best_checkpoint(saved(0.9, 0.5, 0.8))
    assert best.checkpoint.id == "c2"
    assert "lowest validation loss (0.5000) of 3" in best.reason


def test_of_two_that_differ_by_noise_the_earlier_is_best():
    best = best_checkpoint(saved(0.9, 0.501, 0.5))
    assert best.checkpoint.id == "c2"
    assert "within noise" in best.reason


def test_without_validation_the_last_is_best_and_it_says_so():
    plain = tuple(Checkpoint(id=f"c{n}", model="m", step=n) for n in (1, 2))
    assert best_checkpoint(plain).checkpoint.id == "c2"
    assert "without validation data" in best_checkpoint(plain).reason
    assert best_checkpoint(()) is None


def test_a_rise_beyond_noise_is_overfitting():
    found = verdict(saved(0.9, 0.5, 0.6, 0.8), curve(1.0, 0.1))
    assert found.shape == "overfitting"
    assert "0.5000 (checkpoint 2) to 0.8000" in found.reason


def test_a_rise_within_noise_is_none():
    assert verdict(saved(0.9, 0.5, 0.503), curve(1.0, 0.4)).shape == "good"


def test_a_loss_that_still_falls_is_underfitting():
    assert verdict(saved(0.9, 0.7, 0.5), curve(1.0, 0.5)).shape == "underfitting"


def test_a_training_loss_that_grows_or_breaks_is_divergence():
    assert verdict(saved(0.9, 0.8), curve(1.0, 1.2, 3.0)).shape == "diverged"
    assert verdict(saved(0.9, 0.8), curve(1.0, float("nan"))).shape == "diverged"


def test_one_checkpoint_says_nothing():
    assert verdict(saved(0.9), curve(1.0)).shape == "too few steps"
