import pytest

from finetuner.errors import RequestRejectedError
from finetuner.providers.vertex import resources

PLACE = "projects/acme/locations/us-central1"
JOBS = [
    {"name": f"{PLACE}/tuningJobs/2", "tunedModel": {"endpoint": f"{PLACE}/endpoints/5"}},
    {
        "name": f"{PLACE}/tuningJobs/1",
        "tunedModel": {
            "model": f"{PLACE}/models/9@1",
            "endpoint": f"{PLACE}/endpoints/8",
            "checkpoints": [
                {"checkpointId": "1", "endpoint": f"{PLACE}/endpoints/7"},
                {"checkpointId": "2", "endpoint": f"{PLACE}/endpoints/8"},
            ],
        },
    },
]


class Service:
    parent = PLACE

    def jobs(self):
        return iter(JOBS)


def test_a_model_is_found_by_its_endpoint_and_a_checkpoint_by_its_own():
    assert resources.tuned_at(Service(), f"{PLACE}/endpoints/8") == {"tunedModelName": f"{PLACE}/models/9@1"}
    found = resources.tuned_at(Service(), f"{PLACE}/endpoints/7")
    assert found == {"tunedModelName": f"{PLACE}/models/9@1", "checkpointId": "1"}


def test_an_endpoint_of_nobody_says_what_to_give_instead():
    for endpoint in ("5", "6"):
        with pytest.raises(RequestRejectedError, match="give the tuned model's own name"):
            resources.tuned_at(Service(), f"{PLACE}/endpoints/{endpoint}")


def test_a_filter_that_is_refused_finds_nothing():
    def refuse(wanted):
        raise RequestRejectedError(f"Invalid filter: {wanted}")

    assert list(resources.filtered(refuse, resources.by_key("k"))) == []
    assert list(resources.filtered(lambda wanted: iter([{"filter": wanted}]), resources.by_key("k"))) == [
        {"filter": 'labels.finetuner_key="k"'}
    ]
