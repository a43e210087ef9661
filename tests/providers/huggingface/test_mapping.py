import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner.errors import RequestRejectedError
from finetuner.providers.huggingface.mapping import Hyperparameters, exhausted


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"epochs": 0}, "hyperparameters.epochs"),
        ({"epochs": 51}, "from 1 to 50"),
        ({"lora_rank": 1.5}, "lora_rank"),
        ({"learning_rate": -1}, "learning_rate"),
        ({"lora_dropout": 0.95}, "lora_dropout"),
        ({"rank": 3}, "lora_rank"),  # the names that are known are listed
    ],
)
def test_what_cannot_be_right_is_named(asked, said):
    with pytest.raises(RequestRejectedError, match=said):
        Hyperparameters.parse(asked)


def test_early_stopping_needs_validation():
    with pytest.raises(RequestRejectedError, match="needs a validation file"):
        Hyperparameters.parse({"early_stopping_patience": 1}, validated=False)


def test_no_dropout_is_a_choice():
    """0 is neither absent nor out of range."""
    assert Hyperparameters.parse({"lora_dropout": 0}).lora_dropout == 0.0


def test_every_choice_is_made_once_the_data_is_known():
    chosen = Hyperparameters.parse({"learning_rate_multiplier": 2, "lora_rank": 8}).resolved(500, "supervised")
    assert (chosen.epochs, chosen.batch_size, chosen.micro_batch_size) == (3, 8, 4)
    assert (chosen.learning_rate, chosen.lora_alpha) == (4e-4, 16)


def test_a_batch_is_never_smaller_than_its_pieces():
    assert Hyperparameters.parse({"batch_size": 2}).resolved(10, "dpo").micro_batch_size == 2


def test_training_goes_on_while_validation_gets_better():
    assert not exhausted([3.0, 2.0, 1.0], 1)
    assert exhausted([3.0, 1.0, 2.0], 1)
    assert not exhausted([3.0, 1.0, 2.0], 2)
    assert exhausted([3.0, 1.0, 2.0, 1.5], 2)


@given(st.lists(st.floats(0, 10), max_size=8))
def test_without_patience_it_never_stops(losses):
    assert not exhausted(losses, None)
