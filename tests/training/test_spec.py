import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetuner.errors import UsageError
from finetuner.providers.catalog import BaseModel
from finetuner.training.spec import TrainingSpec, trains

SPECS = st.builds(
    TrainingSpec,
    model=st.sampled_from(["a", "b"]),
    epochs=st.none() | st.integers(1, 50),
    seed=st.none() | st.integers(0, 5),
    suffix=st.none() | st.sampled_from(["x", "y"]),
)


@settings(deadline=None)  # the clock belongs to whoever else runs here
@given(SPECS, SPECS)
def test_keys_are_equal_for_equal_trainings_only_and_fit_every_provider(one, other):
    first, second = (spec.key(provider="p", training="t", validation=None) for spec in (one, other))
    assert (first == second) is (one == other)
    assert len(first) <= 64
    assert set(first) <= set("0123456789abcdef-")


def test_each_attempt_and_each_data_has_a_key_of_its_own():
    spec = TrainingSpec(model="m")
    keys = {
        spec.key(provider=provider, training=training, validation=validation, attempt=attempt)
        for provider in "pq"
        for training in "tu"
        for validation in (None, "v")
        for attempt in (0, 1)
    }
    assert len(keys) == 16


def test_what_is_not_set_is_the_providers_choice():
    assert TrainingSpec(model="m").wire_hyperparameters() == {}
    assert TrainingSpec(model="m", epochs=2, hyperparameters={"beta": 0.1}).wire_hyperparameters() == {
        "epochs": 2,
        "beta": 0.1,
    }


@pytest.mark.parametrize(
    "wrong", [{"epochs": 0}, {"epochs": 51}, {"suffix": ""}, {"seed": 2**31}, {"learning_rate_multiplier": -1.0}]
)
def test_what_no_provider_takes_is_refused(wrong):
    with pytest.raises(UsageError):
        TrainingSpec(model="m", **wrong)


def test_two_names_of_preference_training_are_one():
    entry = BaseModel(id="p:m", methods=("preference",))
    assert trains(entry, "dpo")
    assert trains(entry, "preference")
    assert not trains(entry, "supervised")
