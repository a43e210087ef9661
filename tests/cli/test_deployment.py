"""A rollout from the command line: scripts can follow it by exit statuses and --json."""

import json

import pytest

from finetuner import Model, Rollout, Router
from finetuner.deployment.attempts import RouterOptions
from finetuner.testing import ScriptedProvider


@pytest.fixture
def job(shell, training):
    words = ("--provider", "local", "--model", "ngram-small", "--epochs", 3, "--seed", 1)
    assert shell("create", training, "--validation", training, *words) == 0
    name = shell.out.strip()
    assert shell("wait", name, "--timeout", 60) == 0
    return name


def test_a_rollout_goes_up_and_comes_down(shell, job):
    assert shell("rollout", "start", "tickets", "--base", "local:ngram-small", "--tuned", job) == 0
    assert shell.out.startswith("tickets: created, 0% of units")
    assert shell("rollout", "start", "tickets", "--base", "local:ngram-small", "--tuned", job) == 1
    assert shell("rollout", "shadow", "tickets", "--rate", 0.2, "--json") == 0
    assert (shell.json["status"], shell.json["shadow_rate"]) == ("shadow", 0.2)
    assert shell("rollout", "promote", "tickets") == 1, "only a ramping rollout is promoted"
    assert shell("rollout", "ramp", "tickets", "--share", 0.05, "--approver", "ada", "--json") == 0
    assert (shell.json["share"], shell.json["approver"]) == (0.05, "ada")
    assert shell("rollout", "report", "tickets") == 0
    assert "not enough data" in shell.out
    assert shell("rollout", "decide", "tickets") == 1
    assert shell.out.startswith("HOLD\n- ")
    assert shell("rollout", "decide", "tickets", "--json") == 1
    assert shell.json["action"] == "HOLD"
    assert shell("rollout", "promote", "tickets", "--approver", "ada") == 0
    assert "promoted, 100%" in shell.out
    assert shell("rollout", "rollback", "tickets", "--reason", "too slow") == 0
    assert "reason: too slow" in shell.out
    assert shell("rollout", "report", "nothing") == 1
    assert "known: tickets" in shell.err
    assert shell("rollout", "ramp", "tickets", "--share", 1) == 2


def test_a_sample_says_how_many_of_its_answers_have_no_text(shell, tmp_path):
    """A router keeps no texts unless it is told to; whoever is to read them must know where they are."""
    base, tuned = (Model(f"scripted:{name}", provider=ScriptedProvider(answers=name)) for name in ("base", "tuned"))
    rollout = Rollout.create("tickets", base=base, tuned=tuned, store=tmp_path / "workspace")
    rollout.ramp(0.99)
    for texts, units in (("none", range(3)), ("all", range(10, 15))):
        with Router(rollout, base=base, tuned=tuned, options=RouterOptions(texts=texts)) as router:
            for unit in units:
                router.complete("hello", unit=unit)
    assert shell("monitor", "sample", "tickets") == 0
    answers = [
        json.loads(line)["answer"] for line in (tmp_path / "weekly_sample.jsonl").read_text("utf-8").splitlines()
    ]
    assert 0 < answers.count(None) < len(answers)
    assert shell.err.startswith(f"{answers.count(None)} of them without a text")


def test_monitoring_writes_a_sample_and_tells_dates_and_drift(shell, job, training, tmp_path):
    shell("rollout", "start", "tickets", "--base", "local:ngram-small", "--tuned", job)
    assert shell("monitor", "sample", "tickets", "--n", 10) == 0
    assert shell.out.startswith("weekly_sample.jsonl (0 of 0 answers")
    assert (tmp_path / "weekly_sample.jsonl").read_bytes() == b""
    assert shell("monitor", "sample", "tickets", "--week", "soon") == 2
    assert shell("monitor", "drift", "tickets", "--json") == 0
    assert shell.json["state"] == "insufficient_data"
    many = tmp_path / "many.jsonl"
    many.write_text("\n".join([training.read_text("utf-8")] * 5), "utf-8")
    assert shell("monitor", "drift", "tickets", "--reference", many, "--recent", many) == 0
    other = tmp_path / "other.jsonl"
    lines = [line for line in many.read_text("utf-8").splitlines() if '"refund"' in line] * 2
    other.write_text("\n".join(lines), "utf-8")
    assert shell("monitor", "drift", "tickets", "--reference", many, "--recent", other) == 1
    assert "label: DRIFT" in shell.out
    assert shell("monitor", "retirements", "tickets", "--json") == 0
    assert {each["role"] for each in shell.json} == {"tuned", "base", "rollback"}


def test_fresh_rows_are_evaluated_and_a_recommendation_says_what_is_missing(shell, job, training, tmp_path):
    shell("rollout", "start", "tickets", "--base", "local:ngram-small", "--tuned", job)
    assert shell("monitor", "recommend", "tickets") == 0
    assert shell.out.startswith("train again: not enough data\n- drift: not enough data")
    assert "run: fine-tuner-cc monitor evaluate tickets FILE" in shell.out
    assert shell("monitor", "evaluate", "tickets", training) == 1, "the model was trained on these"
    fresh = tmp_path / "fresh.jsonl"
    lines = training.read_text("utf-8").replace("my ", "since today my ").splitlines()
    renamed = [line.replace('"login"', '"sign-in"') for line in lines]
    fresh.write_text("\n".join(renamed), "utf-8")
    assert shell("monitor", "evaluate", "tickets", fresh, "--training", training, "--json") == 0
    assert shell.json["new_labels"] == {"sign-in": 20}
    assert shell.json["look"]["verdict"] == "better"
    assert shell.json["fell"] is False
    assert shell("monitor", "evaluate", "tickets", fresh) == 2
    assert "give fresh ones" in shell.err
    assert shell("monitor", "recommend", "tickets", "--json") == 1
    assert shell.json["answer"] == "yes"
    assert shell.json["reasons"] == ["labels: new: sign-in (20 rows)"]


def test_the_card_is_printed_or_written_and_documents_the_way_back(shell, job, tmp_path):
    shell("rollout", "start", "tickets", "--base", "local:ngram-small", "--tuned", job)
    assert shell("card", job) == 0
    assert shell.out.startswith("---\n")
    assert shell("card", job, "--license", "mit", "--json") == 0
    assert shell.json["license"] == "mit"
    assert shell("card", job, "--output", tmp_path / "CARD.json") == 0
    assert json.loads((tmp_path / "CARD.json").read_text("utf-8"))["lineage"]["job"]["id"] == job
    assert shell("checklist", "--phase", "deployment") == 1
    assert "[x] rollback plan documented" in shell.out


@pytest.mark.usefixtures("job")
def test_the_checklist_fails_a_build_until_all_is_proven(shell):
    assert shell("checklist", "--json") == 1
    assert [phase["name"] for phase in shell.json["phases"]] == [
        "Data ready",
        "Training complete",
        "Evaluation complete",
        "Deployment complete",
    ]
    assert shell("checklist", "--phase", "training") == 0
    assert shell("checklist", "--tick", "approval", "--note", "read 100", "--by", "ada", "--phase", "evaluation") == 1
    assert "[x] outputs approved by people: read 100 (ada)" in shell.out
    assert shell("checklist", "--tick", "regression", "--note", "x") == 2
    assert shell("checklist", "--phase", "nonsense") == 1


def test_a_watch_looks_once_for_cron_and_says_what_it_saw(shell, job):
    shell("rollout", "start", "tickets", "--base", "local:ngram-small", "--tuned", job)
    shell("rollout", "ramp", "tickets", "--share", 0.05)
    assert shell("checklist", "--phase", "weekly") == 1
    assert shell.out.startswith("Weekly care: 0 of 4")
    assert shell("rollout", "watch", "tickets", "--once") == 0
    assert shell.out.startswith("ramping, 5% of units: HOLD")
    assert shell("checklist", "--phase", "weekly") == 1
    assert "[x] metrics looked at: HOLD: " in shell.out
    assert shell("rollout", "watch", "tickets", "--once", "--json") == 0
    assert shell.out
    shell("rollout", "rollback", "tickets")
    assert shell("rollout", "watch", "tickets") == 0, "a rollout that is over isn't watched for ever"
    assert shell("rollout", "watch", "tickets", "--webhook", "file:///x", "--once") == 2


def test_a_rollout_is_exported_for_monitoring(shell, job):
    shell("rollout", "start", "tickets", "--base", "local:ngram-small", "--tuned", job)
    assert shell("monitor", "export", "tickets") == 0
    assert 'finetuner_rollout_share{rollout="tickets"} 0.0' in shell.out
    assert shell("monitor", "export", "tickets", "--to", "json") == 0
    assert shell.json["state"]["name"] == "tickets"
    assert shell("monitor", "export", "tickets", "--to", "grafana") == 0
    assert shell.json["panels"]
    assert shell("monitor", "export", "tickets", "--to", "nothing") == 2


def test_a_model_that_nobody_knows_is_warned_about_before_requests_come(shell):
    assert shell("rollout", "start", "typo", "--base", "local:nope", "--tuned", "local:ngram-small") == 0
    assert "neither the catalog of local nor this journal knows local:nope" in shell.err
    assert "knows local:ngram-small" not in shell.err


def test_status_shows_one_rollout_or_all_of_them(shell):
    assert shell("rollout", "status") == 0
    assert shell.out.strip() == "no rollouts yet"
    for name in ("first", "second"):
        shell("rollout", "start", name, "--base", "local:ngram-base", "--tuned", "local:ngram-small")
    assert shell("rollout", "status") == 0
    assert [line.split(":")[0] for line in shell.out.splitlines()] == ["first", "second"]
    assert shell("rollout", "status", "first") == 0
    assert "base: local:ngram-base" in shell.out
