"""Files on other machines, fetched by whoever knows how: the entry-point group `finetuner.sources`.

Each entry point is named like the scheme of an address (`gs` for `gs://bucket/file.jsonl`) and is a function that takes
the address and gives the path of a local copy: a file, or a folder where the address means several.
"""

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from finetuner.errors import DataFormatError

GROUP: Final = "finetuner.sources"

_COPY: Final = {"gs": "gcloud storage cp", "s3": "aws s3 cp", "http": "curl -O", "https": "curl -O"}


def fetch(address: str) -> Path:
    """A local copy of what lies at an address.

    Raises:
        DataFormatError: No installed package fetches such addresses.
    """
    scheme = address.partition("://")[0].lower()
    points = entry_points(group=GROUP)
    for point in points:
        if point.name == scheme:
            opener: Callable[[str], Path] = point.load()
            return opener(address)
    known = ", ".join(f"{name}://" for name in sorted({point.name for point in points}))
    how = f", for example with {_COPY[scheme]}" if scheme in _COPY else ""
    raise DataFormatError(
        f"nothing installed fetches {scheme}:// addresses{f' (known: {known})' if known else ''}; "
        f"copy the file here first{how}",
        file=address,
    )
