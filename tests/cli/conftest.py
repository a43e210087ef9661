"""A workspace of one's own, and commands as a person types them."""

import json

import pytest

from finetuner.cli import main

LABELS = ("refund", "card", "login", "limit")


class Shell:
    def __init__(self, capsys):
        self._capsys = capsys
        self.out = self.err = ""

    def __call__(self, *words):
        status = main([str(word) for word in words])
        self.out, self.err = self._capsys.readouterr()
        return status

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def shell(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FINETUNER_WORKSPACE", str(tmp_path / "workspace"))
    return Shell(capsys)


@pytest.fixture
def training(tmp_path):
    words = ("amber", "birch", "cedar", "delta", "ember", "flint", "grove", "haven", "islet", "jetty", "knoll", "larch")
    path = tmp_path / "training.jsonl"
    lines = [
        {
            "messages": [
                {
                    "role": "user",
                    "content": f"{words[n % 12]} {words[(n * 7 + n // 12) % 12]} {n * n}: my {LABELS[n % 4]} broke",
                },
                {"role": "assistant", "content": LABELS[n % 4]},
            ]
        }
        for n in range(80)
    ]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path
