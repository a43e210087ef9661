import pytest

from finetuner.errors import NotFoundError, RequestRejectedError
from finetuner.providers.huggingface.bases import ENVIRONMENT, Base, find


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, str(tmp_path))
    return tmp_path


def folder(place, *names):
    place.mkdir(parents=True)
    for name in names:
        (place / name).write_bytes(b"{}")
    return place


def test_a_path_is_taken_as_it_is(tmp_path):
    place = folder(tmp_path / "model", "config.json", "model.safetensors")
    assert find(str(place)) == Base(folder=place.resolve())


def test_a_name_means_a_folder_of_the_shelf(shelf):
    """With an organization too, so that a mirror of the hub needs no other names."""
    place = folder(shelf / "acme" / "llama", "config.json", "model-00001-of-00002.safetensors")
    assert find("acme/llama") == Base(folder=place.resolve())


@pytest.mark.usefixtures("shelf")
def test_what_is_on_no_shelf_is_on_the_hub():
    assert find("acme/llama") == Base(repository="acme/llama")


def test_one_gguf_file_is_enough(tmp_path):
    place = folder(tmp_path / "model", "smol.Q4_1.gguf")
    assert find(str(place)) == find(str(place / "smol.Q4_1.gguf")) == Base(folder=place, file="smol.Q4_1.gguf")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("a.gguf", "b.gguf"), "2 GGUF files"),
        (("config.json", "pytorch_model.bin"), "pickled weights"),
        (("adapter_config.json", "adapter_model.safetensors"), "is an adapter"),
        (("notes.txt",), "has no weights"),
    ],
)
def test_what_cannot_be_read_safely_is_refused_with_the_reason(tmp_path, names, said):
    place = folder(tmp_path / "model", *names)
    with pytest.raises(RequestRejectedError, match=said):
        find(str(place))


@pytest.mark.parametrize("model", ["no-such-model", "/no/such/folder", "a/b/c", "../model", "x y/z"])
@pytest.mark.usefixtures("shelf")
def test_what_is_nowhere_is_not_found(model):
    with pytest.raises(NotFoundError):
        find(model)


def test_the_message_lists_the_shelf(shelf):
    folder(shelf / "smol", "config.json", "model.safetensors")
    with pytest.raises(NotFoundError, match="there are: smol"):
        find("small")


def test_a_name_does_not_lead_out_of_the_shelf(shelf):
    folder(shelf.parent / "secret-model", "config.json", "model.safetensors")
    with pytest.raises(NotFoundError):
        find("x/../../secret-model")


@pytest.mark.parametrize("base", [Base(repository="a/b"), Base(file="m.gguf", repository=None)])
def test_a_place_is_kept_with_the_job(base):
    assert Base.read(base.to_json()) == base
