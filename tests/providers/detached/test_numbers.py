import pytest

from finetuner.errors import RequestRejectedError
from finetuner.providers.detached.numbers import check_request, given, number, whole
from finetuner.providers.local.mapping import KIND
from finetuner.providers.ports import JobRequest


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"method": "dpo"}, "'supervised' only"),
        ({"suffix": ""}, "suffix has 0 characters"),
        ({"suffix": "x" * 65}, "65 characters"),
        ({"seed": -1}, "seed is -1"),
        ({"extra": {"speed": 1}}, "extra.speed"),
    ],
)
def test_what_no_model_can_do_is_refused_by_name(changes, said):
    with pytest.raises(RequestRejectedError, match=said):
        check_request(KIND, JobRequest(model="m", training_file="f", **changes), ("supervised",))


def test_auto_and_none_are_absent():
    assert given(KIND, {"epochs": "auto", "batch_size": None, "beta": 1}, ["epochs", "batch_size", "beta"]) == {
        "beta": 1
    }


@pytest.mark.parametrize("value", [0, 11, True, 1.0, "3"])
def test_a_whole_number_is_one(value):
    with pytest.raises(RequestRejectedError, match="whole number from 1 to 10"):
        whole(KIND, {"epochs": value}, "epochs", 10)


@pytest.mark.parametrize("value", [0, -1, 2.5, False, "1"])
def test_a_number_is_within_its_limits(value):
    with pytest.raises(RequestRejectedError, match="above 0 and at most 2"):
        number(KIND, {"beta": value}, "beta", 2)
