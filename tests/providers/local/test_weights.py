"""Checkpoint files."""

import json
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetuner.errors import ProviderError, UnexpectedAnswerError
from finetuner.providers.local import weights
from finetuner.providers.local.learning import Checkpoint, EpochEnd, Plan, train
from finetuner.providers.local.sizes import ModelSize

DATA = (["where is my card", "refund me please", "my card is lost", "money back now"], ["card", "refund"] * 2)
PLAN = Plan(size=ModelSize(hidden=8), epochs=2, batch_size=2)


def last(plan: Plan = PLAN, resume: Checkpoint | None = None) -> Checkpoint:
    *_, end = train(DATA, plan, resume=resume)
    assert isinstance(end, EpochEnd)
    return end.checkpoint


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "model.safetensors"
    weights.save(last(), path)
    return path


def header(data: bytes) -> tuple[dict[str, object], bytes]:
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def rebuilt(head: dict[str, object], body: bytes) -> bytes:
    encoded = json.dumps(head).encode()
    return len(encoded).to_bytes(8, "little") + encoded + body


def test_a_checkpoint_comes_back_bit_by_bit(good: Path) -> None:
    original, copy = last(), weights.load(good)
    assert copy.classifier.labels == original.classifier.labels
    assert copy.classifier.size == original.classifier.size
    assert (copy.epoch, copy.fingerprint) == (original.epoch, original.fingerprint)
    for one, other in zip(
        (*original.classifier.parameters, *original.squares), (*copy.classifier.parameters, *copy.squares), strict=True
    ):
        assert np.array_equal(one, other)
    texts = ["lost card", "refund", "???"]
    assert np.array_equal(original.classifier.predict(texts)[1], copy.classifier.predict(texts)[1])


def test_training_goes_on_from_a_file_as_if_it_never_stopped(tmp_path: Path) -> None:
    path = tmp_path / "epoch-1.safetensors"
    first = next(event for event in train(DATA, PLAN) if isinstance(event, EpochEnd))
    weights.save(first.checkpoint, path)
    resumed = last(resume=weights.load(path))
    for one, other in zip(resumed.classifier.parameters, last().classifier.parameters, strict=True):
        assert np.array_equal(one, other)


def test_the_layout_is_the_published_one(good: Path) -> None:
    """A header that is aligned to 8 bytes, arrays end to end, and metadata of strings only."""
    data = good.read_bytes()
    head, body = header(data)
    assert int.from_bytes(data[:8], "little") % 8 == 0
    metadata = head.pop("__metadata__")
    assert isinstance(metadata, dict)
    assert all(isinstance(value, str) for value in metadata.values())
    spans = sorted(entry["data_offsets"] for entry in head.values() if isinstance(entry, dict))
    assert spans[0][0] == 0
    assert spans[-1][1] == len(body)
    assert all(before[1] == after[0] for before, after in pairwise(spans))


def test_saving_leaves_no_other_file_behind(good: Path) -> None:
    weights.save(last(), good)
    assert [path.name for path in good.parent.iterdir()] == [good.name]


def test_a_failed_save_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "kept").touch()
    with pytest.raises(OSError, match="folder"):
        weights.save(last(), target)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


DEEP = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"

WHOLE_FILE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "truncated": lambda data: data[:-40],
    "longer": lambda data: data + bytes(8),
    "huge header": lambda data: (1 << 62).to_bytes(8, "little") + data[8:],
    "pickle": lambda _: b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00cbuiltins\neval",
    "not JSON": lambda data: data[:8] + b"x" + data[9:],
    "deep JSON": lambda _: len(DEEP).to_bytes(8, "little") + DEEP,
}

HEADER: dict[str, tuple[str, str, object]] = {
    "overlap": ("embedding", "data_offsets", [0, 64]),
    "negative": ("embedding", "shape", [-1, -64]),
    "overflow": ("embedding", "shape", [1 << 62, 1 << 62]),
    "type": ("embedding", "dtype", "F16"),
    "labels": ("__metadata__", "labels", '["card", "refund", "surprise"]'),
    "version": ("__metadata__", "version", "999"),
    "no size": ("__metadata__", "size", None),
    "large size": ("__metadata__", "size", '{"hidden": 100000000}'),
    "epoch": ("__metadata__", "epoch", "first"),
}


def with_header(data: bytes, name: str, key: str, value: object) -> bytes:
    head, body = header(data)
    entry = head[name]
    assert isinstance(entry, dict)
    entry[key] = value
    return rebuilt(head, body)


def with_nan(data: bytes) -> bytes:
    head, body = header(data)
    entry = head["embedding"]
    assert isinstance(entry, dict)
    start, end = entry["data_offsets"]
    return rebuilt(head, body[:start] + np.full((end - start) // 4, np.nan, "<f4").tobytes() + body[end:])


DAMAGE = {
    **WHOLE_FILE,
    **{kind: partial(with_header, name=name, key=key, value=value) for kind, (name, key, value) in HEADER.items()},
    "not a number": with_nan,
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_hostile_file_is_refused_with_its_name(kind: str, good: Path, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(DAMAGE[kind](good.read_bytes()))
    with pytest.raises(UnexpectedAnswerError, match=r"bad\.safetensors: not a usable checkpoint"):
        weights.load(path)


@settings(max_examples=60)
@given(place=st.integers(0, 1_500), value=st.integers(0, 255))
def test_a_changed_byte_is_an_error_of_ours_or_harmless(good: Path, place: int, value: int) -> None:
    """Whatever byte of the header is wrong, loading ends in a checkpoint or in a provider error."""
    data = bytearray(good.read_bytes())
    data[place] = value
    path = good.with_name("changed")
    path.write_bytes(data)
    problem = None
    try:
        weights.load(path).classifier.predict(["card"])
    except ProviderError as error:
        problem = error.code
    assert problem in {None, "invalid_checkpoint"}


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        weights.load(tmp_path / "none")
