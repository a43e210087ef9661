"""The fixtures that an installed finetuner gives to every pytest."""

import os
import subprocess
import sys

import openai
import pytest

from finetuner.emulator.faults import rate_limit
from finetuner.providers import registry


def test_openais_sdk_finds_the_emulator_by_itself(openai_emulator):
    with openai.OpenAI(max_retries=0) as client:
        file = client.files.create(file=("a.jsonl", b"{}\n"), purpose="fine-tune")
        assert client.files.retrieve(file.id).status == "processed"
        openai_emulator.faults.add(rate_limit(1))
        with pytest.raises(openai.RateLimitError) as caught:
            client.files.create(file=("a.jsonl", b"{}\n"), purpose="fine-tune")
        assert caught.value.response.headers["Retry-After"] == "1"


def test_each_test_has_an_emulator_of_its_own(openai_emulator):
    assert registry.connect("openai").trainer.list() == ()
    assert openai_emulator.faults.ordered() == ()


def test_both_fixtures_are_one_server(openai_emulator, vertex_emulator):
    assert openai_emulator is vertex_emulator
    port = openai_emulator.address.rpartition(":")[2]
    for name in ("OPENAI_BASE_URL", "STORAGE_EMULATOR_HOST", "FINETUNER_VERTEX_ENDPOINT"):
        assert f"127.0.0.1:{port}" in os.environ[name]


def test_a_run_that_uses_no_fixture_pays_for_no_import():
    program = (
        "import sys; import finetuner.testing.plugin; "
        "heavy = ('openai', 'starlette', 'uvicorn', 'numpy', 'finetuner.emulator', 'finetuner.testing.contract'); "
        "sys.exit(','.join(name for name in heavy if name in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
