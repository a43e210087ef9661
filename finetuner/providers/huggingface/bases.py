"""Where the weights of a base model lie: a folder, a name in a folder of models, or a repository on the hub."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import attrs

from finetuner._core.types import Json
from finetuner.errors import NotFoundError, RequestRejectedError
from finetuner.providers.huggingface import libraries
from finetuner.providers.huggingface.mapping import KIND

ENVIRONMENT: Final = "FINETUNER_HUGGINGFACE_MODELS"
"""The variable that names a folder of models, each a folder of weights."""

_REPOSITORY: Final = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_WANTED: Final = ("*.json", "*.safetensors", "*.model", "*.txt", "*.jinja")
_PICKLED: Final = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt")
_SHOWN: Final = 20


@attrs.frozen(kw_only=True)
class Base:
    """A base model's place.

    Attributes:
        folder: Its folder; None for a repository that is fetched when it is needed.
        file: A GGUF file in the folder, None for safetensors.
        repository: `organization/name` on the hub, None for a folder.
    """

    folder: Path | None = None
    file: str | None = None
    repository: str | None = None

    @classmethod
    def read(cls, kept: Mapping[str, Json]) -> "Base":
        """What `to_json` wrote."""
        folder, file, repository = (kept.get(name) for name in ("folder", "file", "repository"))
        return cls(
            folder=Path(str(folder)) if folder else None,
            file=str(file) if file else None,
            repository=str(repository) if repository else None,
        )

    def to_json(self) -> dict[str, Json]:
        """A plain value."""
        return {"folder": str(self.folder) if self.folder else None, "file": self.file, "repository": self.repository}

    def fetched(self) -> "Base":
        """The same with its folder on this machine; a repository is downloaded once, its safetensors alone.

        Raises:
            NotFoundError: There is no such repository, or no way to it.
            RequestRejectedError: It has no safetensors.
        """
        if self.folder is not None:
            return self
        try:
            folder = libraries.hub().snapshot_download(self.repository, allow_patterns=list(_WANTED))
        except (OSError, ValueError, RuntimeError) as error:
            first = str(error).strip().partition("\n")[0]
            raise NotFoundError(
                f"{self.repository} can't be fetched from the hub ({type(error).__name__}: {first}); check the name, "
                f"or download it elsewhere and give the folder: huggingface:/path/to/folder",
                provider=KIND.name,
                code="model_not_found",
            ) from error
        return attrs.evolve(in_folder(Path(folder)), repository=self.repository)


def find(model: str) -> Base:
    """The place of a base model. Nothing is fetched.

    Args:
        model: A path (of a folder, or of a GGUF file), a name in the folder that `FINETUNER_HUGGINGFACE_MODELS` names,
            or `organization/name` on the hub.

    Raises:
        NotFoundError: There is none; the message says which there are.
        RequestRejectedError: The folder's weights can't be used; the message says why.
    """
    if model.startswith(("/", ".", "~")):
        path = Path(model).expanduser().resolve()
        if path.suffix == ".gguf" and path.is_file():
            return Base(folder=path.parent, file=path.name)
        if not path.is_dir():
            raise NotFoundError(f"no folder {path}", provider=KIND.name, code="model_not_found")
        return in_folder(path)
    shelf = os.environ.get(ENVIRONMENT)
    if shelf and ".." not in Path(model).parts and (Path(shelf).expanduser() / model).is_dir():
        return in_folder((Path(shelf).expanduser() / model).resolve())
    if _REPOSITORY.fullmatch(model):
        return Base(repository=model)
    known = ", ".join(sorted(_on_shelf(shelf))[:_SHOWN]) or "none"
    where = f"in {shelf} (${ENVIRONMENT}) there are: {known}" if shelf else f"${ENVIRONMENT} names no folder of models"
    raise NotFoundError(
        f"no open-weight model {model!r}: it is neither a path, nor organization/name on the hub, and {where}",
        provider=KIND.name,
        code="model_not_found",
    )


def in_folder(folder: Path) -> Base:
    """The weights of a folder: safetensors with a configuration, or one GGUF file.

    Raises:
        RequestRejectedError: There are neither; the message says what there is.
    """
    if (folder / "config.json").is_file() and any(folder.glob("*.safetensors")):
        return Base(folder=folder)
    files = sorted(path.name for path in folder.glob("*.gguf"))
    if len(files) == 1:
        return Base(folder=folder, file=files[0])
    if files:
        problem = f"has {len(files)} GGUF files ({', '.join(files[:3])}); give the path of one of them"
    elif any(path for pattern in _PICKLED for path in folder.glob(pattern)):
        problem = (
            "has pickled weights only, which can run any code when they are read; "
            "convert them: model.save_pretrained(folder, safe_serialization=True)"
        )
    elif (folder / "adapter_config.json").is_file():
        problem = "is an adapter; give the folder of a whole model, such as a merged one"
    else:
        problem = "has no weights: config.json with *.safetensors, or one *.gguf, is needed"
    raise RequestRejectedError(f"{folder} {problem}", provider=KIND.name, code="invalid_model")


def _on_shelf(shelf: str | None) -> Iterator[str]:
    if shelf and Path(shelf).expanduser().is_dir():
        yield from (path.name for path in Path(shelf).expanduser().iterdir() if path.is_dir())
