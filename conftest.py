"""The README and every page of the documentation are run as tests.

Blocks of a page run one after the other in an empty folder that holds `production_logs/`: Python blocks share their
names, `sh` blocks their variables, and have the commands on their path. `<!-- skip: next -->` leaves a block out.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

from finetuner.demo.logs import write_logs

settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")  # no test depends on how busy the machine is

_HERE = Path.cwd()
_COMMANDS = Path(sys.executable).parent
_VARIABLES = ".variables"


class _ShellParser(CodeBlockParser):
    language = "sh"

    def evaluate(self, example: Example) -> None:
        before = f"if [ -e {_VARIABLES} ]; then source {_VARIABLES}; fi; set -a"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{before}\n{example.parsed}\nexport -p > {_VARIABLES}"],
            env={**os.environ, "PATH": f"{_COMMANDS}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.fail(f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}", pytrace=False)


def _setup(namespace: dict[str, Any]) -> None:
    namespace["_folder"] = TemporaryDirectory()
    namespace["_environment"] = dict(os.environ)
    os.chdir(namespace["_folder"].name)
    write_logs(Path("production_logs"))


def _teardown(namespace: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(namespace["_environment"])
    os.chdir(_HERE)
    namespace["_folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser(), _ShellParser(), SkipParser()],
    patterns=["README.md", "docs/**/*.md"],
    excludes=["docs/reference/*.md"],  # written from docstrings
    setup=_setup,
    teardown=_teardown,
).pytest()
