import io

import pytest

from finetuner.emulator.openai_files import Files, Uploads
from finetuner.emulator.routing import RefusedError
from finetuner.testing import FakeClock


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path / "files", FakeClock())


def test_an_empty_file_is_refused_and_leaves_nothing(files):
    with pytest.raises(RefusedError, match="empty"):
        files.add("a", io.BytesIO(b""), "fine-tune")
    assert list(files.folder.iterdir()) == []


@pytest.mark.parametrize("identity", ["../jobs/x", "a/b", "", ".", "é/"])
def test_an_id_is_never_a_path(files, identity):
    outside = files.folder.parent / "jobs"
    outside.mkdir(parents=True)
    (outside / "x.json").write_text('{"id": "x", "name": "n", "bytes": 1, "created_at": 0}')
    with pytest.raises(RefusedError) as caught:
        files.get(identity)
    assert caught.value.status == 404


def test_a_file_that_a_parameter_names_is_a_wrong_parameter(files):
    with pytest.raises(RefusedError) as caught:
        files.get("file-none", "training_file")
    assert (caught.value.status, caught.value.param) == (400, "training_file")


def test_the_newest_come_first_and_expired_ones_not_at_all(files):
    old = files.add("old", io.BytesIO(b"1"), "batch", keep_seconds=3_600)
    files.clock.advance(10)
    new = files.add("new", io.BytesIO(b"2"), "batch")
    assert [file.id for file in files.all()] == [new.id, old.id]
    files.clock.advance(3_600)
    assert [file.id for file in files.all()] == [new.id]
    assert not files.path(old.id).exists()


def test_an_upload_takes_parts_for_an_hour(files, tmp_path):
    uploads = Uploads(tmp_path / "uploads", files)
    upload = uploads.start("a", 3, "fine-tune")
    part = uploads.add_part(upload.id, io.BytesIO(b"abc"))
    files.clock.advance(3_600)
    for late in (
        lambda: uploads.add_part(upload.id, io.BytesIO(b"d")),
        lambda: uploads.complete(upload.id, [part], None),
    ):
        with pytest.raises(RefusedError) as caught:
            late()
        assert caught.value.code == "upload_expired"


def test_a_finished_upload_keeps_no_parts(files, tmp_path):
    uploads = Uploads(tmp_path / "uploads", files)
    upload = uploads.start("a", 4, "fine-tune")
    parts = [uploads.add_part(upload.id, io.BytesIO(piece)) for piece in (b"ab", b"cd")]
    _, file = uploads.complete(upload.id, parts, None)
    assert files.path(file.id).read_bytes() == b"abcd"
    assert [path.name for path in uploads.folder.iterdir()] == [f"{upload.id}.json"]
