"""Checkpoints on disk, in the safetensors layout: numbers and JSON, nothing that can run.

A file is 8 bytes (the header's length, little-endian), a JSON header, and the arrays' bytes end to end. The header
names each array with its `dtype`, `shape` and `data_offsets`; `__metadata__` holds strings. Source: the format's
description at https://huggingface.co/docs/safetensors; other readers of that format can open the files.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from finetuner.errors import FinetunerError, UnexpectedAnswerError
from finetuner.providers.local.classifier import Classifier
from finetuner.providers.local.features import Vocabulary
from finetuner.providers.local.learning import Checkpoint
from finetuner.providers.local.sizes import size_from, size_options

Array = NDArray[np.generic]

_VERSION: Final = "1"
_DTYPES: Final[Mapping[str, np.dtype[np.generic]]] = {"F32": np.dtype("<f4"), "U32": np.dtype("<u4")}
_CODES: Final[Mapping[np.dtype[np.generic], str]] = {dtype: code for code, dtype in _DTYPES.items()}
_LENGTH_BYTES: Final = 8
_LARGEST_HEADER: Final = 64 << 20
_LARGEST_FILE: Final = 8 << 30
_PARAMETERS: Final = ("embedding", "hidden_bias", "output", "output_bias")
_SQUARES: Final = tuple(f"squares.{name}" for name in _PARAMETERS)


class _Tensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


class _Metadata(msgspec.Struct, frozen=True):
    version: str
    epoch: str
    fingerprint: str
    labels: str
    size: str


def save(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint; a reader sees the old file or the whole new one, never a part.

    Raises:
        OSError: When the file can't be written.
    """
    classifier = checkpoint.classifier
    arrays: dict[str, Array] = {"buckets": classifier.vocabulary.buckets, "idf": classifier.vocabulary.idf}
    arrays.update(zip(_PARAMETERS, classifier.parameters, strict=True))
    arrays.update(zip(_SQUARES, checkpoint.squares, strict=True))
    metadata = {
        "version": _VERSION,
        "epoch": str(checkpoint.epoch),
        "fingerprint": checkpoint.fingerprint,
        "labels": json.dumps(classifier.labels),
        "size": json.dumps(size_options(classifier.size)),
    }
    _replace(path, _encode(arrays, metadata))


def load(path: Path) -> Checkpoint:
    """Read a checkpoint, to answer with it or to go on training.

    Raises:
        OSError: When the file can't be read.
        UnexpectedAnswerError: When it isn't a whole and consistent checkpoint; the message says why.
    """
    size = path.stat().st_size
    if size > _LARGEST_FILE:
        raise _broken(path, f"{size:,} bytes are more than the {_LARGEST_FILE:,} that a model may have")
    try:
        arrays, metadata = _decode(path.read_bytes())
        return _checkpoint(arrays, msgspec.convert(metadata, _Metadata))
    except (ValueError, KeyError, RecursionError, FinetunerError, msgspec.MsgspecError) as error:
        raise _broken(path, str(error)) from error


def _broken(path: Path, why: str) -> UnexpectedAnswerError:
    return UnexpectedAnswerError(
        f"{path}: not a usable checkpoint of an embedded model: {why}. Train again, or restore the file from a copy",
        provider="local",
        code="invalid_checkpoint",
    )


def _checkpoint(arrays: Mapping[str, Array], metadata: _Metadata) -> Checkpoint:
    if metadata.version != _VERSION:
        raise ValueError(f"it has version {metadata.version!r}, this release reads {_VERSION!r}")
    size = size_from(msgspec.json.decode(metadata.size, type=dict[str, int | float | bool]))
    labels = msgspec.json.decode(metadata.labels, type=tuple[str, ...])
    buckets = np.asarray(arrays["buckets"], np.uint32)
    floats = {name: np.asarray(array, np.float32) for name, array in arrays.items() if name != "buckets"}
    n_features, n_labels = len(buckets), len(labels)
    shapes = {
        "idf": (n_features,),
        "embedding": (n_features, size.hidden),
        "hidden_bias": (1, size.hidden),
        "output": (size.hidden, n_labels),
        "output_bias": (1, n_labels),
    }
    shapes |= {f"squares.{name}": (shapes[name][0], 1) for name in _PARAMETERS}
    for name, shape in shapes.items():
        if floats[name].shape != shape:
            raise ValueError(f"array {name!r} has shape {floats[name].shape}, its labels and size need {shape}")
        if not np.isfinite(floats[name]).all():
            raise ValueError(f"array {name!r} holds values that aren't finite numbers")
    if not n_features or not n_labels or (np.diff(buckets.astype(np.int64)) <= 0).any():
        raise ValueError("it has no labels, no features, or features that aren't in ascending order")
    classifier = Classifier(
        size=size,
        labels=labels,
        vocabulary=Vocabulary(config=size.features, buckets=buckets, idf=floats["idf"]),
        embedding=floats["embedding"],
        hidden_bias=floats["hidden_bias"],
        output=floats["output"],
        output_bias=floats["output_bias"],
    )
    first, second, third, fourth = (floats[name] for name in _SQUARES)
    return Checkpoint(
        classifier=classifier,
        squares=(first, second, third, fourth),
        epoch=int(metadata.epoch),
        fingerprint=metadata.fingerprint,
    )


def _encode(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> list[bytes]:
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    pieces: list[bytes] = []
    start = 0
    for name, array in arrays.items():
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        piece = little.tobytes()
        header[name] = {
            "dtype": _CODES[little.dtype],
            "shape": array.shape,
            "data_offsets": (start, start + len(piece)),
        }
        pieces.append(piece)
        start += len(piece)
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % _LENGTH_BYTES)
    return [len(head).to_bytes(_LENGTH_BYTES, "little"), head, *pieces]


def _decode(data: bytes) -> tuple[dict[str, Array], dict[str, str]]:
    if len(data) < _LENGTH_BYTES:
        raise ValueError(f"it has {len(data)} bytes, too few for a header")
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if length > min(_LARGEST_HEADER, len(data) - _LENGTH_BYTES):
        raise ValueError(f"its header claims {length:,} bytes in a file of {len(data):,}")
    body = memoryview(data)[_LENGTH_BYTES + length :]
    header = msgspec.json.decode(data[_LENGTH_BYTES : _LENGTH_BYTES + length], type=dict[str, msgspec.Raw])
    metadata = msgspec.json.decode(header.pop("__metadata__", b"{}"), type=dict[str, str])
    tensors = {name: msgspec.json.decode(raw, type=_Tensor) for name, raw in header.items()}
    end = 0
    arrays: dict[str, Array] = {}
    for name, tensor in sorted(tensors.items(), key=lambda item: item[1].data_offsets):
        arrays[name] = _array(name, tensor, body, start=end)
        end = tensor.data_offsets[1]
    if end != len(body):
        raise ValueError(f"its header describes {end:,} bytes of numbers and the file holds {len(body):,}")
    return arrays, metadata


def _array(name: str, tensor: _Tensor, body: memoryview, *, start: int) -> Array:
    begin, end = tensor.data_offsets
    dtype = _DTYPES.get(tensor.dtype)
    if dtype is None:
        raise ValueError(f"array {name!r} has type {tensor.dtype!r}, known are {', '.join(_DTYPES)}")
    count = 1
    for side in tensor.shape:
        if side < 0:
            raise ValueError(f"array {name!r} has a negative side: {tensor.shape}")
        count *= side
    if begin != start or end > len(body) or end - begin != count * dtype.itemsize:
        raise ValueError(f"array {name!r} of shape {tensor.shape} doesn't fit bytes {begin:,} to {end:,}")
    return np.frombuffer(body[begin:end], dtype).reshape(tensor.shape)


def _replace(path: Path, pieces: list[bytes]) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
