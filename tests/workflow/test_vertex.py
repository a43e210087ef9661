"""The seed's sequence of commands on Vertex AI, in real processes, through Google's real clients."""

import re

import pytest

from finetuner.demo.logs import write_logs
from finetuner.emulator import Emulator


@pytest.mark.slow
def test_the_same_commands_drive_vertex_ai(script, tmp_path):
    logs = write_logs(tmp_path / "production_logs")
    with Emulator(workspace=tmp_path / "service", token="sk-kept") as service:
        printed = script.run(str(logs), "vertex", "gemini-3.5-flash", "2", **service.environment)
    base, tuned = (float(re.search(rf"{word}: ([\d.]+)% accuracy", printed)[1]) for word in ("Base", "Tuned"))
    assert tuned > base + 10
    assert "valid for vertex" in printed
    assert re.search(r"fine_tuned_model: projects/emulated/locations/us-central1/endpoints/\d+", printed)
    assert re.search(r"Checkpoint 2: step \d+", printed)
    assert "Verdict: better" in printed
