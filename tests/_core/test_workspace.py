from pathlib import Path

from finetuner._core.workspace import Workspace


def test_a_folder_holds_files_and_the_journal(tmp_path):
    workspace = Workspace.at(tmp_path / "w")
    assert workspace.folder == tmp_path / "w"
    assert workspace.database == f"sqlite:///{tmp_path / 'w' / 'journal.db'}"
    assert not workspace.folder.exists()


def test_the_default_comes_from_the_environment_or_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("FINETUNER_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
    assert Workspace.at().folder == tmp_path / ".finetuner"
    monkeypatch.setenv("FINETUNER_WORKSPACE", str(tmp_path / "team"))
    assert Workspace.at().folder == tmp_path / "team"
    assert Workspace.at(tmp_path / "given").folder == tmp_path / "given"


def test_a_teams_database_keeps_files_here_and_its_password_to_itself():
    workspace = Workspace.at("postgresql://u:secret@host/db")
    assert workspace.database == "postgresql://u:secret@host/db"
    assert workspace.folder == Path(".finetuner").absolute()
    assert "secret" not in repr(workspace)


def test_a_workspace_is_its_own_workspace(tmp_path):
    workspace = Workspace.at(tmp_path)
    assert Workspace.at(workspace) is workspace


def test_a_path_gets_its_parent(tmp_path):
    path = Workspace.at(tmp_path / "w").path("a", "b", "c.json")
    assert path.parent.is_dir()
    assert not path.exists()
