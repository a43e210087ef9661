"""A job's whole life from the command line, on the embedded provider."""

import pytest

MODEL = ("--provider", "local", "--model", "ngram-small", "--epochs", 3, "--seed", 1)


@pytest.fixture
def job(shell, training):
    assert shell("create", training, "--validation", training, *MODEL) == 0
    return shell.out.strip()


def test_upload_and_create_print_the_bare_id(shell, training):
    assert shell("upload", training, "--provider", "local") == 0
    file = shell.out.strip()
    assert shell.out == f"{file}\n"
    assert shell("upload", training, "--provider", "local", "--json") == 0
    assert shell.json["id"] == file
    assert shell("create", file, *MODEL) == 0
    job = shell.out.strip()
    assert shell.out == f"{job}\n"
    assert job.startswith("ftjob-")
    assert shell("create", file, *MODEL, "--json") == 0
    assert shell.json["id"] == job
    assert shell("wait", job, "--timeout", 60) == 0


def test_a_finished_job_tells_its_model_which_can_be_evaluated(shell, training, job):
    assert shell("wait", job, "--timeout", 60) == 0
    assert "Status: succeeded" in shell.out
    assert "Progress: 100%" in shell.out
    assert "info: " in shell.err
    model = next(line.split(": ", 1)[1] for line in shell.out.splitlines() if line.startswith("fine_tuned_model: "))
    assert shell("status", job, "--json") == 0
    assert shell.json["fine_tuned_model"] == model
    assert shell.json["train_loss"] > 0
    assert shell("evaluate", job, training) == 1, "the model was trained on these rows"
    assert shell.err.count("\n") == 1
    assert shell("evaluate", model, training, "--allow-training-rows", "--json") == 0
    assert shell.json["model"] == model


def test_events_checkpoints_and_jobs(shell, job):
    assert shell("wait", job, "--timeout", 60) == 0
    assert shell("events", job) == 0
    assert shell.out
    assert shell("checkpoints", job) == 0
    assert shell.out.startswith("Checkpoint 1: step ")
    assert "Best: step " in shell.out
    assert shell("checkpoints", job, "--json") == 0
    assert shell.json["best"]["reason"]
    for words in (("jobs",), ("jobs", "--provider", "local")):
        assert shell(*words, "--json") == 0
        assert [each["id"] for each in shell.json] == [job]


def test_cancelling_an_ended_job_changes_nothing(shell, job):
    assert shell("wait", job, "--timeout", 60) == 0
    assert shell("cancel", job, "--json") == 0
    assert shell.json["status"] == "succeeded"


def test_an_unknown_job_is_one_line(shell):
    assert shell("status", "ftjob-local-missing") == 1
    assert shell.out == ""
    assert shell.err.count("\n") == 1


def test_create_refuses_data_with_errors_in_one_line(shell, training):
    training.write_text(training.read_text("utf-8") + '\n{"messages": []}', encoding="utf-8")
    assert shell("create", training, *MODEL) == 1
    assert shell.err.startswith("error: ")
    assert shell.err.count("\n") == 1


@pytest.mark.parametrize(
    ("metrics", "told"),
    [
        ({"step": 1.0, "total_steps": 800.0}, False),
        ({"step": 40.0, "total_steps": 800.0}, True),
        ({"step": 41.0, "total_steps": 800.0, "valid_loss": 0.5}, True),
        ({"step": 3.0, "total_steps": 12.0}, True),
        ({}, True),
    ],
)
def test_who_waits_reads_twenty_steps_of_a_training(metrics, told):
    from finetuner.cli.jobs import _worth_telling
    from finetuner.providers.ports import JobEvent

    assert _worth_telling(JobEvent(id="1", created_at=0.0, message="", metrics=metrics)) is told
