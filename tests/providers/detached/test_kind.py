import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.providers.catalog import Limits
from finetuner.providers.detached.records import JobRecord
from finetuner.providers.local.mapping import KIND
from finetuner.providers.ports import JobRequest

REQUEST = JobRequest(model="ngram-small", training_file="file-local-1")


def record(**changes) -> JobRecord:
    request = attrs.evolve(REQUEST, **changes)
    return JobRecord(id=KIND.job_id("k"), created_at=1.0, request=request, seed=0, size={}, limits=Limits())


@given(st.text(min_size=1))
def test_a_key_always_means_the_same_job(key):
    assert KIND.job_id(key) == KIND.job_id(key)
    assert KIND.job_id(key) != KIND.job_id(key + "x")


def test_without_a_key_every_job_is_new():
    assert KIND.job_id("") != KIND.job_id("")


@given(st.text(max_size=64), st.none() | st.integers(0, 10**9))
def test_a_tuned_models_name_leads_back_to_its_job(suffix, step):
    """Whatever the suffix, so that a name alone is enough to find the weights."""
    job = record(suffix=suffix)
    assert KIND.job_of_model(KIND.tuned_model(job, step)) == (job.id, step)


@pytest.mark.parametrize("model", ["ngram-small", "ft:gpt:acme::0123456789ab", "ft:a:local::../../x", "ft:a:local:b"])
def test_other_names_lead_to_no_job(model):
    assert KIND.job_of_model(model) is None


@pytest.mark.parametrize(
    ("base", "label"),
    [
        ("/models/smol", "smol"),
        ("./my:model/", "my-model"),
        ("acme/llama", "acme/llama"),
        ("ft:a:local:b:c", "a"),
        ("/", "folder"),
    ],
)
def test_a_folder_is_called_by_its_own_name(base, label):
    """A path would make names of tuned models long, and say where things lie on this machine."""
    assert KIND.tuned_model(record(model=base)).split(":")[1] == label
