"""Exit statuses, one-line errors, and a quick start."""

import subprocess
import sys

import pytest

from finetuner.cli import app as commands
from finetuner.cli import main
from finetuner.errors import FinetunerError


def test_an_error_is_one_line(shell):
    assert shell("validate", "missing.jsonl") == 1
    assert shell.out == ""
    assert shell.err.startswith("error: ")
    assert shell.err.count("\n") == 1


def test_debug_raises_the_error(shell):
    with pytest.raises(FinetunerError):
        shell("validate", "missing.jsonl", "--debug")


def test_wrong_usage_is_2(shell):
    assert shell("validate") == 2
    assert shell("no-such-command") == 2
    assert "Try 'fine-tuner-cc --help' for help." in shell.err  # the name under which the documentation knows it


def test_an_interrupt_is_130(shell, monkeypatch):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("finetuner.data.dataset.Dataset.load", interrupted)
    assert shell("validate", "x.jsonl") == 130
    assert shell.err.startswith("interrupted; ")
    assert shell.err.count("\n") == 1


def test_an_interrupt_while_the_commands_are_imported_is_130(monkeypatch):
    class Interrupting:
        def __getattr__(self, name):
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "finetuner.cli.app", Interrupting())
    assert main(["validate", "x.jsonl"]) == 130


def test_a_bug_is_one_line_too(shell, monkeypatch):
    def broken(*_args, **_options):
        raise RuntimeError("first\nsecond")

    monkeypatch.setattr("finetuner.data.dataset.Dataset.load", broken)
    assert shell("validate", "x.jsonl") == 1
    assert shell.err == "error: unexpected RuntimeError: first; second; --debug shows where\n"


def test_an_error_of_the_system_names_the_file_first(shell, tmp_path):
    (tmp_path / "rows.csv").write_text("text,label\nhi there,greeting\n", "utf-8")
    assert shell("convert", "rows.csv", "--to", "openai", "--output", "rows.csv/training.jsonl") == 1
    assert shell.err == "error: rows.csv: File exists\n"


def test_a_folder_is_no_file_to_write(shell, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "rows.csv").write_text("text,label\nhi there,greeting\n", "utf-8")
    assert shell("convert", "rows.csv", "--to", "openai", "--output", "out") == 2
    assert shell.err == "error: out is a folder; name the file to write, such as out/data.jsonl\n"
    assert list((tmp_path / "out").iterdir()) == []


def test_version(shell):
    assert shell("--version") == 0
    assert shell.out.strip() == commands.__version__


def test_every_command_has_help_and_json(capsys):
    for command in commands.app.registered_commands:
        assert main([command.callback.__name__.replace("_", "-"), "--help"]) == 0
        assert "--json" in capsys.readouterr().out


def test_models_lists_ids_as_json(shell):
    assert shell("models", "--provider", "local", "--json") == 0
    assert "local:ngram-base" in [model["id"] for model in shell.json]
    assert shell("providers", "--json") == 0
    assert "local" in [provider["name"] for provider in shell.json]


def test_help_of_the_program_needs_no_heavy_import():
    code = (
        "import sys; from finetuner.cli import main; status = main(['--help']); "
        "heavy = {'numpy', 'openai', 'sqlalchemy', 'tiktoken'} & set(sys.modules); sys.exit(status or len(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "validate" in done.stdout
