import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.errors import RequestRejectedError
from finetuner.providers.ports import JobRequest
from finetuner.providers.vertex.requests import job_body, label

BASE = {"baseModel": "gemini-x"}


def request(**changes):
    return JobRequest(**{"model": "gemini-x", "training_file": "gs://b/t.jsonl", **changes})


def test_a_supervised_job():
    wanted = request(
        validation_file="gs://b/v.jsonl",
        hyperparameters={"epochs": 3, "adapter_size": 2, "learning_rate_multiplier": None},
        suffix="tickets",
        key="0a-1",
        metadata={"team": "red"},
        seed=7,
        extra={"description": "d", "exportLastCheckpointOnly": True},
    )
    assert job_body(wanted, BASE) == {
        "baseModel": "gemini-x",
        "supervisedTuningSpec": {
            "trainingDatasetUri": "gs://b/t.jsonl",
            "validationDatasetUri": "gs://b/v.jsonl",
            "hyperParameters": {"epochCount": 3, "adapterSize": "ADAPTER_SIZE_TWO"},
            "exportLastCheckpointOnly": True,
        },
        "tunedModelDisplayName": "tickets",
        "labels": {"team": "red", "finetuner_key": "0a-1"},
        "description": "d",
    }


@pytest.mark.parametrize("method", ["preference", "dpo"])
def test_preference_tells_its_method_in_a_label(method):
    body = job_body(request(method=method, hyperparameters={"beta": 0.2}), BASE)
    assert body["preferenceOptimizationSpec"]["hyperParameters"] == {"beta": 0.2}
    assert body["labels"] == {"finetuner_method": "preference"}


def test_what_is_the_services_choice_is_left_out():
    assert job_body(request(), BASE) == {**BASE, "supervisedTuningSpec": {"trainingDatasetUri": "gs://b/t.jsonl"}}


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"method": "reinforcement"}, "it takes supervised, preference, dpo"),
        ({"training_file": "file-1"}, "upload it first"),
        ({"validation_file": "x.jsonl"}, "validation data"),
        ({"hyperparameters": {"batch_size": 8}}, "it takes epochs, learning_rate_multiplier, adapter_size"),
        ({"hyperparameters": {"beta": 0.1}}, "no hyperparameter beta"),
        ({"hyperparameters": {"epochs": 0}}, "must be above 0"),
        ({"hyperparameters": {"adapter_size": 3}}, "must be one of"),
        ({"metadata": {"a": "B"}}, "can't be a label"),
        ({"metadata": {"1a": "b"}}, "can't be a label"),
    ],
)
def test_what_vertex_ai_has_not_is_refused_with_what_it_has(changes, match):
    with pytest.raises(RequestRejectedError, match=match):
        job_body(request(**changes), BASE)


@given(st.text())
def test_every_key_makes_a_label_and_our_own_keys_stay(key):
    assert re.fullmatch(r"[a-z0-9_-]{0,63}", label(key))
    assert label("0123abc-12") == "0123abc-12"
