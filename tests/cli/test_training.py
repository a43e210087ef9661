"""A job's whole life from the command line, on the embedded provider."""

import json
import time

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


def test_estimate_prints_what_a_person_must_see(shell, training):
    words = ("estimate", training, "--provider", "openai", "--model", "gpt-4.1-mini-2025-04-14", "--epochs", 2)
    assert shell(*words) == 0
    lines = shell.out.splitlines()
    assert lines[0].startswith("Total tokens: ")
    assert lines[1].startswith("Training cost: $")
    assert lines[1].endswith("(gpt-4.1-mini-2025-04-14)")
    assert lines[2] == "Inference for 1,000,000 requests a month:"
    assert [line.split(":")[0] for line in lines[3:7]] == ["  Input", "  Output", "  Monthly", "  Monthly in batches"]
    assert "How sure:" in lines
    assert shell(*words, "--requests", 10, "--cached-share", 0.5, "--json") == 0
    assert shell.json["inference"]["requests"] == 10
    assert {each["figure"] for each in shell.json["sureness"]} == {"tokens", "price", "inference"}


def test_estimate_compares_all_tunable_models_cheapest_first(shell, training):
    assert shell("estimate", training, "--compare", "--json") == 0
    costs = [each["usd"] for each in shell.json if each["usd"] is not None]
    assert costs == sorted(costs)
    assert {"local", "openai", "vertex"} <= {each["model"].partition(":")[0] for each in shell.json}
    assert shell("estimate", training, "--compare", "--provider", "local") == 0
    assert shell.out.splitlines()[0].split()[:2] == ["Model", "Training"]
    assert shell("estimate", training) == 2


def test_a_limit_refuses_before_anything_is_sent(shell, training):
    words = ("create", training, "--provider", "openai", "--model", "gpt-4.1-mini-2025-04-14", "--max-usd", 0.000001)
    assert shell(*words) == 1
    assert "more than the limit of $1e-06; nothing was sent" in shell.err


def test_the_same_command_again_says_that_nothing_is_paid_again_and_another_offers_the_job(shell, training, job):
    assert shell("create", training, "--validation", training, *MODEL) == 0
    assert shell.out.strip() == job
    assert "nothing is paid again" in shell.err
    assert shell("create", training, "--validation", training, *MODEL[:-1], 2, "--json") == 0
    assert not shell.json["existing"]
    assert f"warning: {job} trained ngram-small on the same data with seed 1" in shell.err
    assert shell("wait", shell.json["id"], "--timeout", 60) == 0


def test_status_of_a_running_job_shows_progress_and_losses(shell, training):
    slow = ("--provider", "local", "--model", "ngram-small", "--epochs", 50, "--batch-size", 1)
    assert shell("create", training, "--validation", training, *slow) == 0
    job = shell.out.strip()
    deadline = time.monotonic() + 60
    while "(epoch " not in shell.out or "valid_loss: " not in shell.out:
        assert time.monotonic() < deadline
        assert shell("status", job) == 0
    assert shell.out.startswith(("Status: running", "Status: succeeded"))
    assert "train_loss: " in shell.out
    for words in (("pause", job), ("resume", job), ("cancel", job)):
        assert shell(*words) in (0, 1)
    assert shell("wait", job, "--timeout", 60) in (0, 1)


def test_checkpoints_name_the_model_to_use_and_draw_the_losses(shell, job, tmp_path):
    assert shell("wait", job, "--timeout", 60) == 0
    assert shell("checkpoints", job, "--report", tmp_path / "losses.html") == 0
    model = next(line.split(": ", 1)[1] for line in shell.out.splitlines() if line.startswith("Use it as: "))
    assert ":ckpt-step-" in model
    assert "<svg" in (tmp_path / "losses.html").read_text("utf-8")


def test_retarget_plans_moves_and_compares(shell, job, tmp_path):
    assert shell("wait", job, "--timeout", 60) == 0
    target = ("retarget", job, "--to", "local", "--model", "ngram-base")
    assert shell(*target, "--dry-run") == 0
    assert shell.out.splitlines()[0] == f"Move: {job} from local:ngram-small to local:ngram-base"
    test = tmp_path / "test.jsonl"
    lines = [
        {"messages": [{"role": "user", "content": f"my {x} is odd {n}"}, {"role": "assistant", "content": x}]}
        for n in range(5)
        for x in ("refund", "card", "login", "limit")
    ]
    test.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert shell(*target, "--test", test) == 0
    new, *rest = shell.out.splitlines()
    assert new.startswith("ftjob-local-")
    assert any(line.startswith("Improvement: ") for line in rest)
    assert shell(*target) == 0
    assert shell.out == f"{new}\n"
    assert shell("status", new) == 0


def test_a_job_is_found_by_the_fingerprint_of_its_data(shell, training, job):
    from finetuner.data.dataset import Dataset

    assert shell("status", Dataset.load(training).fingerprint[:16], "--json") == 0
    assert shell.json["id"] == job


def test_a_provider_that_cannot_be_connected_does_not_hide_the_others(shell, monkeypatch):
    monkeypatch.setenv("FINETUNER_GCS_BUCKET", "not-a-bucket-address")
    assert shell("providers", "--json") == 0
    assert "local" in {each["name"] for each in shell.json}
    assert "vertex can't be used: " in shell.err
    assert shell("models", "--provider", "vertex") in (1, 2)


def test_search_compares_settings_or_data_sizes_on_validation(shell, training):
    where = ("--validation", training, "--provider", "local", "--model", "ngram-small")
    assert shell("search", training, *where, "--try", "epochs=1,4", "--try", "seed=1") == 0, shell.err
    assert shell.out.splitlines()[0].startswith("epochs 4, seed 1: validation loss ")
    assert shell("search", training, *where, "--shares", "0.5,1", "--json") == 0, shell.err
    assert [each["examples"] for each in shell.json["trials"]] == [40, 80]
    for wrong in ((), ("--try", "epochs"), ("--try", "epochs=x"), ("--try", "epochs=1", "--shares", "1")):
        assert shell("search", training, *where, *wrong) == 2
        assert shell.err.startswith("error: ")
