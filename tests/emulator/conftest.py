from collections.abc import Iterator
from pathlib import Path

import pytest

from finetuner.emulator import Emulator

SPEC = Path(__file__).parents[3] / "shared" / "spec" / "openai-openapi.json"


@pytest.fixture(scope="session")
def shared_openai(tmp_path_factory) -> Iterator[Emulator]:
    with Emulator(workspace=tmp_path_factory.mktemp("openai"), organization="acme") as emulator:
        yield emulator


@pytest.fixture
def emulator(shared_openai) -> Iterator[Emulator]:
    shared_openai.faults.clear()
    yield shared_openai
    shared_openai.faults.clear()
