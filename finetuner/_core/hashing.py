"""Hashes of content: the same content gives the same hash in every process and version."""

import hashlib
from pathlib import Path

from finetuner._core.codec import canonical
from finetuner._core.types import Json

_CHUNK = 1 << 20


def sha256(data: bytes) -> str:
    """SHA-256 as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def json_sha256(value: Json) -> str:
    """SHA-256 of a JSON value, whatever the order of its keys."""
    return sha256(canonical(value))


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def unit_interval(*parts: str) -> float:
    """A number in [0, 1) decided by the parts alone: seeded sampling that survives reordering."""
    digest = hashlib.blake2b("\x1f".join(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64
