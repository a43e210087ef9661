import xml.etree.ElementTree as ET

import pytest

from finetuner.errors import MissingExtraError
from finetuner.providers.ports import Checkpoint, JobEvent
from finetuner.training.curve import Curve

EVENTS = (
    JobEvent(id="1", created_at=1, message="", metrics={"step": 2, "train_loss": 0.5, "epoch": 1}),
    JobEvent(id="2", created_at=2, message="", metrics={"step": 2, "valid_loss": 0.7}),
    JobEvent(id="3", created_at=3, message="no metrics"),
    JobEvent(id="4", created_at=4, message="", metrics={"step": 3, "train_loss": 0.4}),
)


def test_events_of_one_step_are_merged():
    first, second = Curve.of(EVENTS).points
    assert (first.step, first.epoch, first.train_loss, first.valid_loss) == (2, 1, 0.5, 0.7)
    assert (second.step, second.valid_loss) == (3, None)


def test_a_checkpoint_knows_the_validation_better_and_adds_its_own_step():
    saved = (
        Checkpoint(id="a", model="m", step=2, epoch=1, metrics={"valid_loss": 0.6}),
        Checkpoint(id="b", model="m", step=9, epoch=3, metrics={"valid_loss": 0.3}),
    )
    curve = Curve.of(EVENTS, saved)
    assert curve.values("valid_loss") == ((2, 0.6), (9, 0.3))
    assert curve.last.epoch == 3


def test_the_latest_value_skips_points_without_it():
    curve = Curve.of(EVENTS)
    assert curve.latest("train_loss") == 0.4
    assert curve.latest("valid_loss") == 0.7
    assert curve.latest("train_accuracy") is None


def test_the_picture_is_well_formed_with_and_without_points():
    for curve in (Curve.of(EVENTS), Curve(())):
        assert ET.fromstring(curve.svg()).tag == "svg"
    assert "validation" in Curve.of(EVENTS).svg()


def test_the_page_shows_what_is_said_about_it_and_nothing_runs():
    page = Curve.of(EVENTS).html("job <1>", "overfitting & more")
    assert "job &lt;1&gt;" in page
    assert "overfitting &amp; more" in page
    assert "<td>0.7</td>" in page
    assert "<script" not in page


def test_the_plot_has_both_lines():
    pytest.importorskip("matplotlib", reason='the extra "plot" isn\'t installed')
    (axes,) = Curve.of(EVENTS).plot().axes
    assert [line.get_label() for line in axes.lines] == ["training", "validation"]
    assert not Curve(()).plot().axes[0].lines


def test_a_plot_without_its_extra_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"finetuner-sdk\[plot\]"):
        Curve.of(EVENTS).plot()
