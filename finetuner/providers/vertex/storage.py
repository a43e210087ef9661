"""Data in Cloud Storage, brought to this machine to be read."""

import tempfile
from pathlib import Path
from typing import Final

from finetuner._core.hashing import sha256
from finetuner._core.workspace import Workspace
from finetuner.errors import NotFoundError
from finetuner.providers.lenient import as_whole
from finetuner.providers.vertex.client import Client
from finetuner.providers.vertex.failures import NAME, STORAGE, unexpected
from finetuner.providers.vertex.settings import Settings, split_uri

_FOLDER: Final = "downloads"
_DIGITS: Final = 16


def open_gs(uri: str, *, workspace: str | Path | Workspace | None = None) -> Path:
    """A local copy of `gs://bucket/file`, or of all files below `gs://bucket/folder/`.

    A generation of an object is downloaded once and kept in the workspace, checked by its CRC32C.

    Args:
        uri: Where it lies; with a slash at the end, a folder.
        workspace: Where copies are kept; by default `$FINETUNER_WORKSPACE`, else `.finetuner`.

    Returns:
        A file with the object's own name, or a folder.

    Raises:
        UsageError: The address isn't well formed.
        NotFoundError: Nothing lies there.
        ProviderError: Cloud Storage can't be reached, or refuses.
    """
    split_uri(uri)
    client, place = Client.of(Settings.of()), Workspace.at(workspace)
    if not uri.endswith("/"):
        return _copied(client, uri, place.path(_FOLDER, sha256(uri.encode())[:_DIGITS]))
    folder = place.path(_FOLDER, sha256(uri.encode())[:_DIGITS], "files")
    objects = [each for each in client.listed(uri) if not each.endswith("/")]
    if not objects:
        raise NotFoundError(f"{STORAGE} has nothing below {uri}", provider=NAME)
    for each in objects:
        source = _copied(client, each, place.path(_FOLDER, sha256(each.encode())[:_DIGITS]))
        link = folder / each.removeprefix(uri)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(source)
    return folder


def _copied(client: Client, uri: str, folder: Path) -> Path:
    there = client.stored(uri)
    generation, size = as_whole(there.get("generation")) or 0, as_whole(there.get("size"))
    target = folder / str(generation) / uri.rpartition("/")[2]
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as temporary:
        part = Path(temporary) / "part"
        client.download(uri, part, generation=generation)
        if part.stat().st_size != size:  # an answer without a checksum of its own isn't checked by the client
            found = f"{uri} has {size} bytes, but {part.stat().st_size} arrived"
            raise unexpected(STORAGE, found, retryable=True)
        part.replace(target)
    return target
