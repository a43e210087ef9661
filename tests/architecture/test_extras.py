"""Without its extra a command is one line that says what to install."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("words", "missing", "extra"),
    [
        (["emulate"], ["starlette"], "web"),
        (["dashboard"], ["starlette"], "web"),
        (["serve", "local:ngram-small"], ["starlette"], "web"),
        (["analyze", "data.parquet"], ["pyarrow"], "parquet"),
        (
            ["upload", "training.jsonl", "--provider", "vertex", "--to", "gs://bucket/x"],
            ["google.cloud", "google.cloud.storage"],
            "vertex",
        ),
    ],
)
def test_a_missing_extra_is_one_line_with_the_command_that_installs_it(tmp_path, words, missing, extra):
    (tmp_path / "data.parquet").write_bytes(b"PAR1")
    (tmp_path / "training.jsonl").write_text(
        '{"contents": [{"role": "user", "parts": [{"text": "a"}]}, {"role": "model", "parts": [{"text": "b"}]}]}\n' * 12
    )
    code = (
        "import sys\n"
        f"for name in {missing!r}: sys.modules[name] = None\n"
        "from finetuner.cli import main\n"
        f"sys.exit(main({words!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert f'pip install "finetuner-sdk[{extra}]"' in lines[0]
