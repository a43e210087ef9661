"""`validate --fix`: repair what can be repaired, and say what was done."""

import json

from finetuner.cli import main


def test_repaired_data_is_written_and_checked_again(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [{"messages": [{"role": "human", "content": f"q{n}"}, {"role": "gpt", "content": "a"}]} for n in range(60)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "{torn")
    assert main(["validate", "a.jsonl", "--fix", "b.jsonl"]) == 0
    said = capsys.readouterr()
    assert "valid for openai: 60 examples, 0 errors" in said.out
    assert "change  wrong_role (120): rename roles of other providers" in said.err
    assert "wrote b.jsonl (60 examples)" in said.err
    assert main(["validate", "b.jsonl"]) == 0
