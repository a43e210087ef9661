"""Losses of a job, read from a board as the service answers."""

import pytest

from finetuner.errors import AuthenticationError, NotFoundError, UnexpectedAnswerError
from finetuner.providers.ports import Checkpoint
from finetuner.providers.vertex.losses import Losses, events, losses, measured

EXPERIMENT = "projects/acme/locations/us-central1/metadataStores/default/contexts/e1"
BOARD = "projects/acme/locations/us-central1/tensorboards/7"
RUN = f"{BOARD}/experiments/e1/runs/r1"


def values(*pairs):
    return [
        {"step": str(step), "wallTime": f"1970-01-01T00:00:{step:02}Z", "scalar": {"value": value}}
        for step, value in pairs
    ]


ANSWERS = {
    EXPERIMENT: {"metadata": {"backing_tensorboard_resource": BOARD}},
    f"{BOARD}/experiments/e1/runs": {"tensorboardRuns": [{"name": RUN}]},
    f"{RUN}/timeSeries": {
        "tensorboardTimeSeries": [
            {"name": f"{RUN}/timeSeries/1", "displayName": "/train_total_loss"},
            {"name": f"{RUN}/timeSeries/2", "displayName": "/eval_total_loss"},
            {"name": f"{RUN}/timeSeries/3", "displayName": "/train_num_predictions"},
        ]
    },
    f"{RUN}/timeSeries/1:read": {"timeSeriesData": {"values": values((1, 2.0), (2, 1.5), (3, "NaN"))}},
    f"{RUN}/timeSeries/2:read": {"timeSeriesData": {"values": values((2, 1.75), (4, 1.25))}},
}


class Service:
    def __init__(self, answers=ANSWERS, failures=()):
        self.answers, self.failures = answers, dict(failures)

    def look(self, path, query=None):  # noqa: ARG002  # the client's signature
        if path in self.failures:
            raise self.failures[path]
        return self.answers.get(path, {})


def test_measures_of_one_step_come_together():
    found = losses(Service(), {"experiment": EXPERIMENT})
    assert found.points == (
        (1, 1.0, {"train_loss": 2.0}),
        (2, 2.0, {"train_loss": 1.5, "valid_loss": 1.75}),
        (4, 4.0, {"valid_loss": 1.25}),
    )


def test_each_step_is_an_event():
    told = events("job", losses(Service(), {"experiment": EXPERIMENT}), 4)
    assert [event.id for event in told] == ["job#step-1", "job#step-2", "job#step-4"]
    assert told[1].metrics == {"step": 2.0, "total_steps": 4.0, "train_loss": 1.5, "valid_loss": 1.75}
    assert told[1].message == "step 2: train_loss 1.5, valid_loss 1.75"


def test_a_checkpoint_has_what_was_measured_last():
    found = losses(Service(), {"experiment": EXPERIMENT})
    assert measured(Checkpoint(id="1", model="m", step=3), found).metrics == {"train_loss": 1.5, "valid_loss": 1.75}
    assert measured(Checkpoint(id="1", model="m", step=0), found).metrics == {}


@pytest.mark.parametrize("raw", [{}, {"experiment": f"{EXPERIMENT}-without-a-board"}])
def test_a_job_without_a_board_has_no_losses(raw):
    assert losses(Service(), raw) == Losses()


@pytest.mark.parametrize("error", [NotFoundError("gone"), AuthenticationError("denied"), UnexpectedAnswerError("501")])
@pytest.mark.parametrize("path", list(ANSWERS))
def test_what_may_not_be_read_is_a_warning(error, path):
    found = losses(Service(failures={path: error}), {"experiment": EXPERIMENT})
    assert str(error) in found.problem
    (event,) = events("job", found, None)
    assert (event.level, event.message) == ("warn", found.problem)


def test_a_service_that_breaks_is_an_error():
    broken = Service(failures={EXPERIMENT: UnexpectedAnswerError("503", retryable=True)})
    with pytest.raises(UnexpectedAnswerError):
        losses(broken, {"experiment": EXPERIMENT})
