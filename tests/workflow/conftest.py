"""The seed's commands as a person runs them: the real script, in real processes."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BANKING77 = ROOT.parent / "shared" / "data" / "banking77"


class Script:
    """`examples/workflow.sh` in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "FINETUNER_WORKSPACE": str(folder / "workspace"),
        }

    def run(self, *arguments: str, **environment: str) -> str:
        """What it prints; a command that fails fails the test with everything that was printed."""
        done = subprocess.run(
            ["bash", str(ROOT / "examples" / "workflow.sh"), *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def script(tmp_path):
    return Script(tmp_path)


@pytest.fixture
def banking77_logs(tmp_path):
    """Banking77's training part as production logs: requests whose system prompt names the labels, and answers."""
    if not BANKING77.exists():
        pytest.skip("the Banking77 files are not beside this checkout")
    with (BANKING77 / "train.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["text"], row["category"]) for row in csv.DictReader(file)]
    names = ", ".join(sorted({label for _, label in rows}))
    folder = tmp_path / "production_logs"
    folder.mkdir()
    with (folder / "requests.jsonl").open("w", encoding="utf-8") as file:
        for number, (text, label) in enumerate(rows):
            file.write(json.dumps(_logged(number, f"Name the intent, one of: {names}", text, label)) + "\n")
    return folder


def _logged(number, system, text, label):
    return {
        "id": f"log-{number}",
        "user": f"customer-{number % 900}",
        "request": {
            "model": "assistant-1",
            "messages": [{"role": "system", "content": system}, {"role": "user", "content": text}],
        },
        "response": {
            "id": f"answer-{number}",
            "choices": [{"index": 0, "message": {"role": "assistant", "content": label}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": len(text) // 4, "completion_tokens": 3},
        },
    }
