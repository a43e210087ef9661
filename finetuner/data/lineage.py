"""Where data comes from: its identity, its parents, what was done to it, its license; and the manifest that says so."""

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import attrs
import msgspec

from finetuner._core import codec
from finetuner._core.canonical import canonical_json
from finetuner._core.hashing import file_sha256
from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import Example
from finetuner.data.formats import finetuner as own_format
from finetuner.data.shapes import is_object
from finetuner.errors import DataFormatError, UsageError

MANIFEST: Final = "manifest.json"
"""The file, beside those that it describes."""

OTHER_MANIFEST: Final = "finetuner.manifest.json"
"""Its name where a manifest of another program is there already."""

_FINGERPRINT: Final = b"finetuner-dataset-v1\n"
_VERSION: Final = 1
# An expression of license identifiers (SPDX 3, annex B), such as "MIT" or "CC-BY-4.0 AND LicenseRef-Ours".
_ONE: Final = r"\(?(?:LicenseRef-)?[A-Za-z0-9][A-Za-z0-9.-]*\+?\)?"
_SPDX: Final = re.compile(rf"{_ONE}(?: (?:AND|OR|WITH) {_ONE})*\Z")
_COMMON: Final = frozenset(
    {
        "0BSD", "AGPL-3.0-only", "AGPL-3.0-or-later", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-3.0",
        "CC-BY-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0", "CC-BY-SA-3.0", "CC-BY-SA-4.0", "CC0-1.0",
        "CDLA-Permissive-1.0", "CDLA-Permissive-2.0", "CDLA-Sharing-1.0", "GPL-2.0-only", "GPL-3.0-only",
        "GPL-3.0-or-later", "ISC", "MIT", "MIT-0", "MPL-2.0", "ODbL-1.0", "ODC-By-1.0", "PDDL-1.0", "Unlicense",
    }
)  # fmt: skip


@attrs.frozen
class Step:
    """Something done to a data set.

    Attributes:
        verb: The name of the method, such as `dedupe`.
        parameters: What it was called with.
        examples: How many examples there were afterwards.
    """

    verb: str
    parameters: Mapping[str, Json]
    examples: int


@attrs.frozen(kw_only=True)
class Lineage:
    """How a data set came to be.

    Attributes:
        license: Under which it may be used, an SPDX expression; None where nobody said.
        origin: Where it comes from, in words or as an address; None where nobody said.
        steps: What was done since it was loaded, in order.
    """

    license: str | None = None
    origin: str | None = None
    steps: tuple[Step, ...] = ()

    @property
    def license_known(self) -> bool:
        """Whether all parts of the license are common identifiers; others are kept, and worth a look."""
        names = re.findall(r"[A-Za-z0-9][A-Za-z0-9.+-]*", self.license or "")
        return bool(names) and all(name in _COMMON | {"AND", "OR", "WITH"} for name in names)

    def licensed(self, license: str | None, origin: str | None) -> "Lineage":
        """With a license and an origin; None keeps what is known.

        Raises:
            UsageError: The license is no SPDX expression.
        """
        if license is not None and not _SPDX.match(license):
            raise UsageError(f"{license!r} is no SPDX license expression, such as CC-BY-4.0 or LicenseRef-Internal")
        return attrs.evolve(self, license=license or self.license, origin=origin or self.origin)

    def then(self, verb: str, parameters: Mapping[str, Json], examples: int) -> "Lineage":
        """With one more step."""
        return attrs.evolve(self, steps=(*self.steps, Step(verb, dict(parameters), examples)))


def record_digest(example: Example) -> bytes:
    """32 bytes for what a model would learn from an example: SHA-256 of its canonical line (RFC 8785).

    The line is the one of the format `finetuner` without `metadata`, so that anybody can work it out from a file.
    """
    record = own_format.to_record(example)
    del record["metadata"]
    return sha256(canonical_json(record)).digest()


def fingerprint(digests: Iterable[bytes]) -> str:
    """The id of records in this order: SHA-256 over a tag and their digests, as 64 hexadecimal digits.

    >>> fingerprint([])
    'ff98e8381ef3b17367bdb6e49c37a84c75308e7aa40239b4dfdebae3e15acf67'
    """
    digest = sha256(_FINGERPRINT)
    for one in digests:
        digest.update(one)
    return digest.hexdigest()


# -- the manifest ------------------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Parent:
    """A data set that another one was made of.

    Attributes:
        source: Its path, or another name.
        fingerprint: Its id; None where a line of it can't be read.
        examples: How many examples it has.
        license: Its license, where known.
    """

    source: str
    fingerprint: str | None
    examples: int
    license: str | None


@attrs.frozen(kw_only=True)
class Entry:
    """What a manifest says of one file.

    Attributes:
        format: Wire format.
        examples: How many.
        fingerprint: Of the examples, in their order.
        unordered_fingerprint: The same for any order.
        sha256: Of the file's bytes.
        bytes: Of the file.
        license: SPDX expression, where known.
        license_known: Whether the license is a common one.
        origin: Where the data comes from, where known.
        parents: What it was made of.
        steps: What was done to the parents, in order.
    """

    format: str
    examples: int
    fingerprint: str
    unordered_fingerprint: str
    sha256: str
    bytes: int
    license: str | None
    license_known: bool
    origin: str | None
    parents: tuple[Parent, ...]
    steps: tuple[Step, ...]


def describe(path: Path, entry: Entry) -> Path:
    """Put a file's entry into the manifest beside it, which keeps the entries of the other files.

    Returns:
        The manifest's path.

    Raises:
        DataFormatError: The manifest was made by another program, and so was the one under the other name.
    """
    manifest = _manifest(path.parent)
    files = _files(manifest) or {} if manifest.exists() else {}
    files[path.name] = codec.unstructure(entry)
    present = {name: files[name] for name in sorted(files) if (path.parent / name).exists()}
    document = {"finetuner_manifest": _VERSION, "files": present}
    codec.write_atomically(manifest, msgspec.json.format(codec.encode(document), indent=2) + b"\n")
    return manifest


def entry_of(path: str | Path) -> Entry | None:
    """What the manifest beside a file says of it; None where there is none, or the file was changed since."""
    file = Path(path)
    manifest = _manifest(file.parent)
    found = (_files(manifest) or {}).get(file.name) if manifest.exists() and file.is_file() else None
    if found is None:
        return None
    entry = codec.structure(found, Entry)
    return entry if entry.bytes == file.stat().st_size and entry.sha256 == file_sha256(file) else None


def _manifest(folder: Path) -> Path:
    """Where the manifest of a folder is, or will be."""
    usual, other = folder / MANIFEST, folder / OTHER_MANIFEST
    if not usual.exists() or _files(usual) is not None:
        return usual
    if other.exists() and _files(other) is None:
        raise DataFormatError("is no manifest of this library; move it away, or write elsewhere", file=str(other))
    return other


def _files(manifest: Path) -> JsonObject | None:
    """The entries of a manifest; None where another program made it."""
    try:
        document = codec.decode(manifest.read_bytes())
    except ValueError:
        return None
    ours = is_object(document) and document.get("finetuner_manifest") == _VERSION
    return dict(document["files"]) if ours and is_object(document.get("files")) else None


def inherited(lineages: Sequence[Lineage]) -> Lineage:
    """What several parents have in common: their license and origin where all agree, no steps."""
    licenses, origins = ({getattr(lineage, key) for lineage in lineages} for key in ("license", "origin"))
    return Lineage(
        license=licenses.pop() if len(licenses) == 1 else None, origin=origins.pop() if len(origins) == 1 else None
    )
