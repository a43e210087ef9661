import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetuner.providers.ports import JobEvent, JobSnapshot
from finetuner.training.progress import Progress, bar, duration


def job(status="running", **changes):
    return JobSnapshot(id="job", model="m", status=status, created_at=0.0, **changes)


def steps(*pairs, total=30):
    return [
        JobEvent(
            id=str(step), created_at=at, message="", metrics={"step": step, "total_steps": total, "train_loss": 0.45}
        )
        for step, at in pairs
    ]


def test_a_host_that_tells_steps_in_events_only_is_enough():
    """OpenAI's job has no step: share, epoch and time left come from its events."""
    found = Progress.of(job(hyperparameters={"epochs": 3}), steps((10, 100.0), (20, 200.0)), now=210.0, total_usd=11.25)
    assert found.share == pytest.approx(2 / 3)
    assert (found.epoch, found.epochs) == (3, 3)
    assert found.seconds_left == pytest.approx(90.0)
    assert found.usd == pytest.approx(7.5)
    assert str(found) == "running, 67%, epoch 3/3, train_loss 0.45, 2 min left, $7.50 so far"


def test_what_the_job_itself_says_comes_first():
    found = Progress.of(job(step=5, total_steps=10, epoch=2, estimated_finish=160.0), steps((10, 100.0)), now=100.0)
    assert (found.share, found.epoch, found.seconds_left) == (0.5, 2, 60.0)


def test_an_ended_job_is_done_and_has_no_time_left():
    found = Progress.of(job("succeeded", estimated_finish=500.0), (), now=100.0)
    assert (found.share, found.seconds_left) == (1.0, None)


def test_nothing_is_made_up():
    found = Progress.of(job("queued"), (), now=0.0, total_usd=11.25)
    assert found == Progress(status="queued")
    assert str(found) == "queued"


@settings(deadline=None)  # the clock belongs to whoever else runs here
@given(st.integers(0, 100), st.integers(1, 100), st.integers(1, 50))
def test_shares_and_epochs_stay_in_their_range(step, total, epochs):
    found = Progress.of(job(hyperparameters={"epochs": epochs}), steps((step, 1.0), total=total), now=2.0)
    assert 0 <= found.share <= 1
    assert 1 <= found.epoch <= epochs


@pytest.mark.parametrize(
    ("seconds", "words"), [(-3, "0 s"), (40, "40 s"), (170, "3 min"), (7500, "2 h 5 min"), (3600, "1 h 0 min")]
)
def test_times_are_for_people(seconds, words):
    assert duration(seconds) == words


def test_off_a_terminal_there_is_no_bar(capsys):
    with bar("job") as show:
        assert show is None
    assert capsys.readouterr() == ("", "")


def test_the_bar_shows_share_losses_and_cost(capsys):
    with bar("ftjob-1", wanted=True) as show:
        show(Progress(status="running", share=0.5, train_loss=0.45, usd=1.25))
    out, err = capsys.readouterr()
    assert out == ""
    assert "ftjob-1" in err
    assert "train_loss 0.45" in err
