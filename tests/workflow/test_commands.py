"""The seed's sequence of commands, ids piped from one to the next."""

import re

import pytest

from finetuner.demo.logs import write_logs
from finetuner.emulator import Emulator

ACCURACY = re.compile(r"Base: ([\d.]+)% accuracy.*?Tuned: ([\d.]+)% accuracy.*?Verdict: (\w+)", re.DOTALL)


def verdict(printed: str) -> tuple[float, float, str]:
    """Base and tuned accuracy in percent, and the verdict's first word."""
    found = ACCURACY.search(printed)
    assert found is not None, printed
    return float(found[1]), float(found[2]), found[3]


def test_from_the_demonstrations_logs_to_a_better_model(script, tmp_path):
    printed = script.run(str(write_logs(tmp_path / "production_logs")), "local", "ngram-small", "2")
    base, tuned, word = verdict(printed)
    assert tuned > base
    assert word == "better"
    assert "shared exact requests: 0" in printed


def test_from_banking77_as_logs_to_a_better_model(script, banking77_logs):
    printed = script.run(str(banking77_logs), "local", "ngram-small", "3")
    base, tuned, word = verdict(printed)
    assert tuned > 75
    assert 5 < base < tuned  # the untuned base really guesses from the labels that the prompt names
    assert word == "better"


@pytest.mark.parametrize("model", ["gpt-4.1-mini-2025-04-14"])
def test_the_same_commands_drive_openais_service(script, tmp_path, model):
    logs = write_logs(tmp_path / "production_logs")
    with Emulator(workspace=tmp_path / "service") as service:
        printed = script.run(str(logs), "openai", model, "2", **service.environment)
    base, tuned, word = verdict(printed)
    assert tuned > base
    assert word == "better"
    assert re.search(r"fine_tuned_model: ft:gpt-4\.1-mini", printed)
