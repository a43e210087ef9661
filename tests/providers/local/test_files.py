from pathlib import Path

import pytest

from finetuner._core.hashing import file_sha256
from finetuner.errors import NotFoundError, RequestRejectedError


def test_the_same_content_is_one_file(bench):
    """Its id is its content's hash, whatever the name."""
    path = bench.folder / "a.jsonl"
    path.write_text("{}\n")
    first = bench.provider.files.upload(path, name="a.jsonl", sha256=file_sha256(path))
    second = bench.provider.files.upload(path, name="b.jsonl", sha256=file_sha256(path))
    assert first == second
    assert first.id == f"file-local-{file_sha256(path)[:12]}"
    assert (first.bytes, first.status) == (3, "processed")


def test_content_that_changed_since_it_was_hashed_is_refused(bench):
    """A half-written or changed file never gets an id, and leaves nothing behind."""
    path = bench.folder / "a.jsonl"
    path.write_text("{}\n")
    with pytest.raises(RequestRejectedError, match="changed since it was hashed"):
        bench.provider.files.upload(path, name="a.jsonl", sha256="0" * 64)
    assert not [found for found in bench.store.files.rglob("*") if found.is_file()]


def test_a_missing_file_is_refused(bench):
    with pytest.raises(RequestRejectedError, match="can't be copied"):
        bench.provider.files.upload(Path("/nowhere/a.jsonl"), name="a.jsonl", sha256="0" * 64)


@pytest.mark.parametrize("file_id", ["file-local-000000000000", "../../etc/passwd", ""])
def test_other_ids_are_not_found(bench, file_id):
    """Ids that would lead out of the folder are never looked for."""
    with pytest.raises(NotFoundError):
        bench.provider.files.get(file_id)


def test_a_job_on_a_deleted_file_is_refused(bench):
    request = bench.request()
    bench.provider.files.delete(request.training_file)
    with pytest.raises(NotFoundError, match="upload it first"):
        bench.provider.trainer.create(request)
