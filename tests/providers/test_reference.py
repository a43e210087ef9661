import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.errors import UsageError
from finetuner.providers.reference import ModelReference, provider_of_job


@pytest.mark.parametrize(
    ("text", "provider", "model"),
    [
        ("local:ngram-base", "local", "ngram-base"),
        ("local:ft:ngram-base:local::0123456789ab", "local", "ft:ngram-base:local::0123456789ab"),
        ("openai:gpt-x", "openai", "gpt-x"),
        ("ft:gpt-x:acme::1", "openai", "ft:gpt-x:acme::1"),
        ("gpt-x", "openai", "gpt-x"),
        ("gemini-x", "vertex", "gemini-x"),
        ("projects/p/locations/l/endpoints/1", "vertex", "projects/p/locations/l/endpoints/1"),
    ],
)
def test_a_name_says_its_provider(text, provider, model):
    assert ModelReference.parse(text) == ModelReference(provider, model)


@pytest.mark.parametrize("text", ["", "llama", ":x", "local:"])
def test_a_name_that_does_not_is_an_error(text):
    with pytest.raises(UsageError, match="provider:model"):
        ModelReference.parse(text)


@given(st.sampled_from(["local", "openai", "vertex", "acme"]), st.text(min_size=1))
def test_text_and_reference_are_inverse(provider, model):
    reference = ModelReference(provider, model)
    assert ModelReference.parse(str(reference)) == ModelReference.parse(reference) == reference


@pytest.mark.parametrize(
    ("job", "provider"),
    [
        ("ftjob-local-0123456789ab", "local"),
        ("ftjob-huggingface-0123456789ab", "huggingface"),
        ("ftjob-abc", "openai"),
        ("projects/1/locations/l/tuningJobs/2", "vertex"),
        ("other", None),
    ],
)
def test_a_job_id_tells_its_provider(job, provider):
    assert provider_of_job(job) == provider
