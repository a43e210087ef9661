"""Where a journal can't be, it is said in one line: the place, why, and what to do."""

import pytest

from finetuner.errors import JournalError
from finetuner.records.journal import Journal


def test_a_workspace_that_is_a_file_is_told_as_such(tmp_path):
    place = tmp_path / "taken"
    place.write_text("mine", encoding="utf-8")
    with pytest.raises(JournalError, match=r"the workspace .*taken can't be made: File exists; name another folder"):
        Journal.open(place)
    assert place.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("address", ["nosuch://me:secret@host/x", "postgresql://me:x@host:secret/x", "://secret"])
def test_a_database_that_nothing_speaks_to_is_told_without_its_password(tmp_path, monkeypatch, address):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(JournalError, match=r"no journal can be kept at \w*://….*; name a folder") as caught:
        Journal.open(address)
    assert "secret" not in str(caught.value)
