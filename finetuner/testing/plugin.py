"""Fixtures for pytest, there wherever finetuner is installed: providers that run on this machine.

```python
def test_my_service(openai_emulator):
    client = openai.OpenAI()  # finds the emulator: the environment points to it while the test runs
    openai_emulator.faults.add(finetuner.emulator.Fault(status=500))
```
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:  # a run that uses no fixture pays for no import
    from finetuner.emulator import Emulator

_OPENAI = "OPENAI_"


@pytest.fixture
def finetuner_emulator(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Emulator]":
    """A running `finetuner.emulator.Emulator` with nothing in it; the environment is left alone."""
    from finetuner.emulator import Emulator

    with Emulator(workspace=tmp_path_factory.mktemp("emulator")) as emulator:
        yield emulator


@pytest.fixture
def openai_emulator(finetuner_emulator: "Emulator", monkeypatch: pytest.MonkeyPatch) -> "Emulator":
    """The emulator, to which OpenAI's SDK and `provider="openai"` talk while the test runs."""
    for name, value in finetuner_emulator.environment.items():
        if name.startswith(_OPENAI):
            monkeypatch.setenv(name, value)
    return finetuner_emulator


@pytest.fixture
def vertex_emulator(finetuner_emulator: "Emulator", monkeypatch: pytest.MonkeyPatch) -> "Emulator":
    """The same emulator, to which `provider="vertex"` and Cloud Storage's client talk while the test runs."""
    for name, value in finetuner_emulator.environment.items():
        if not name.startswith(_OPENAI):
            monkeypatch.setenv(name, value)
    return finetuner_emulator
