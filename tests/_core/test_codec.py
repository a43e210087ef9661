import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetuner._core import codec
from finetuner.providers.ports import JobFailure, JobRequest, JobSnapshot

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(JSON)
def test_values_come_back(value):
    assert codec.decode(codec.encode(value)) == value


@given(st.dictionaries(st.text(), JSON, min_size=2, max_size=5))
def test_canonical_text_knows_no_order_of_keys(value):
    assert codec.canonical(value) == codec.canonical(dict(reversed(value.items())))


def test_objects_come_back_and_unknown_keys_are_ignored():
    job = JobSnapshot(id="j", model="m", status="failed", created_at=1.5, failure=JobFailure(message="why", code="c"))
    assert codec.from_json(codec.to_json(job), JobSnapshot) == job
    request = JobRequest(model="m", training_file="f", hyperparameters={"epochs": 3}, metadata={"a": "b"})
    assert codec.structure(codec.unstructure(request) | {"newer": 1}, JobRequest) == request


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", "nul"])
def test_what_is_not_json_is_a_value_error(text):
    with pytest.raises(ValueError):
        codec.decode(text)


def test_a_reader_never_sees_a_part_of_a_file(tmp_path):
    """While one thread replaces a file, every look finds one whole version, and nothing is left over."""
    path = tmp_path / "new" / "state.json"
    versions = [bytes([letter]) * 200_000 for letter in b"ab"]
    codec.write_atomically(path, versions[0])
    writer = threading.Thread(target=lambda: [codec.write_atomically(path, versions[n % 2]) for n in range(50)])
    writer.start()
    seen = set()
    while writer.is_alive():
        seen.add(path.read_bytes())
    writer.join()
    assert seen <= set(versions)
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_content(tmp_path):
    path = tmp_path / "state.json"
    codec.write_atomically(path, b"old")
    with pytest.raises(TypeError):
        codec.write_atomically(path, None)
    assert [found.read_bytes() for found in tmp_path.iterdir()] == [b"old"]
