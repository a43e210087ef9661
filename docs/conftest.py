"""Documentation is run as tests: Python blocks of each page, one after the other, in an empty folder."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

_HERE = Path.cwd()


def _setup(namespace: dict[str, Any]) -> None:
    namespace["_folder"] = TemporaryDirectory()
    os.chdir(namespace["_folder"].name)


def _teardown(namespace: dict[str, Any]) -> None:
    os.chdir(_HERE)
    namespace["_folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()], patterns=["*.md"], setup=_setup, teardown=_teardown
).pytest()
