"""Every example runs as its first lines say."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from finetuner.demo.logs import write_logs

ROOT = Path(__file__).parents[2]
BANKING77 = ROOT.parent / "shared" / "data" / "banking77"


def run(folder, name, *arguments):
    """What an example prints."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *map(str, arguments)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_phases_hand_their_files_and_ids_on(tmp_path):
    printed = run(tmp_path, "data.py", write_logs(tmp_path / "logs"))
    assert "shared exact requests: 0" in printed
    job = run(tmp_path, "training.py").splitlines()[-1]
    assert run(tmp_path, "training.py").splitlines()[-1] == job  # there is one job
    printed = run(tmp_path, "evaluation.py", job)
    assert "Verdict: better" in printed
    assert "<svg" in (tmp_path / "comparison.html").read_text("utf-8")


def test_the_quickstart_takes_data_of_ones_own(tmp_path):
    lines = ["text,label"]
    for number in range(150):
        lines.append(f"order {number} from shop {number * 7} please give my money back,refund")
        lines.append(f"parcel {number} of van {number * 3} has it been delivered yet,delivery")
    (tmp_path / "own.csv").write_text("\n".join(lines), "utf-8")
    printed = run(tmp_path, "quickstart.py", tmp_path / "out", "--data", tmp_path / "own.csv")
    assert "Verdict: better" in printed
    assert (tmp_path / "out" / "card.md").exists()


@pytest.mark.slow
def test_the_whole_workflow_on_banking77s_own_files(tmp_path):
    if not BANKING77.exists():
        pytest.skip("the Banking77 files are not beside this checkout")
    printed = run(tmp_path, "banking77.py", BANKING77 / "train.csv", BANKING77 / "test.csv", "--folder", "out")
    assert "Verdict: better" in printed
    assert "<svg" in (tmp_path / "out" / "report.html").read_text("utf-8")
