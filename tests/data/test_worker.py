"""A worker answers tasks until its input ends."""

import subprocess
import sys

import msgspec

from finetuner.data import scale
from finetuner.data.dataset import Dataset


def test_tasks_go_in_and_answers_come_out(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"messages": [{"role": "bot", "content": "x"}]}\n' * 3)
    (section,) = scale._sections(Dataset.load(path).rows_view.stretches())
    task = msgspec.json.encode(scale._Check(section, "openai", None, None, "supervised", own=False))
    done = subprocess.run(
        [sys.executable, "-m", "finetuner.data.worker"],
        input=task + b"\n" + task + b"\n",
        capture_output=True,
        check=True,
    )
    answers = done.stdout.splitlines()
    assert len(answers) == 2
    assert msgspec.json.decode(answers[0])["tally"]["counts"] == {"wrong_role": 3, "no_user": 3}
    assert answers[0] == scale.perform(task)
