"""The main job runs, and the tuned model wins with an interval that excludes zero."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_quickstart_goes_from_logs_to_a_verdict(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / "quickstart.py", tmp_path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "shared exact requests: 0" in done.stdout
    assert "Verdict: better" in done.stdout
    assert "\nHOLD\n" in done.stdout  # a stage lasts at least half an hour
    assert (tmp_path / "card.md").read_text("utf-8").startswith("---")
    assert "<svg" in (tmp_path / "report.html").read_text("utf-8")
