from hypothesis import given
from hypothesis import strategies as st

from finetuner._core.hashing import file_sha256, json_sha256, sha256, unit_interval


def test_sha256_of_abc():
    """The example of FIPS 180-4."""
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_file_hashes_like_its_bytes(tmp_path):
    content = b"x" * ((1 << 20) + 3)
    (tmp_path / "f").write_bytes(content)
    assert file_sha256(tmp_path / "f") == sha256(content)


def test_the_order_of_keys_does_not_matter_to_a_hash_and_values_do():
    assert json_sha256({"a": 1, "b": 2}) == json_sha256({"b": 2, "a": 1}) != json_sha256({"a": 2, "b": 1})


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_unit_interval_is_repeatable_and_in_range(parts):
    assert 0 <= unit_interval(*parts) < 1
    assert unit_interval(*parts) == unit_interval(*parts)


def test_unit_interval_spreads_evenly():
    """A tenth of 10,000 keys falls into each tenth, within five standard deviations (150)."""
    counts = [0] * 10
    for key in range(10_000):
        counts[int(unit_interval("seed", str(key)) * 10)] += 1
    assert all(abs(count - 1_000) < 150 for count in counts)


def test_parts_are_kept_apart():
    assert unit_interval("a", "bc") != unit_interval("ab", "c")
