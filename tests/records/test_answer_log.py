"""The answer log: one write for each answer, whole lines or none."""

import threading

import pytest

from finetuner.errors import JournalError
from finetuner.records.answer_log import Abandoned, AnswerLog, entries, logs


def test_an_answer_is_on_file_when_the_call_returns(tmp_path):
    """Nothing waits in a buffer for a process that may be killed."""
    with AnswerLog.create(tmp_path) as log:
        log.append(4, {"text": "yes"}, "key")
        (entry,) = entries(log.path)
        assert (entry.row, bytes(entry.answer), entry.key) == (4, b'{"text":"yes"}', "key")
    assert logs(tmp_path) == (log.path,)


def test_threads_share_a_log(tmp_path):
    """Lines of several threads are never mixed."""
    with AnswerLog.create(tmp_path) as log:
        threads = [
            threading.Thread(
                target=lambda start=start: [log.append(row, "x" * 5000) for row in range(start, start + 50)]
            )
            for start in range(0, 400, 50)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(entry.row for entry in entries(log.path)) == list(range(400))


def test_a_line_that_is_no_answer_is_named(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"row":1,"answer":1}\n{"row":"x"}\n')
    with pytest.raises(JournalError, match="line 2"):
        list(entries(path))


def test_a_full_disk_is_told(tmp_path):
    """The device that is always full refuses the answer."""
    log = AnswerLog.create(tmp_path)
    full = AnswerLog.__new__(AnswerLog)
    full.__dict__.update(log.__dict__)
    with open("/dev/full", "wb", buffering=0) as device:  # noqa: PTH123 - a device
        full._file = device.fileno()
        with pytest.raises(JournalError, match="No space left"):
            full.append(1, "x")
    log.close()


def test_a_folder_that_cannot_be_is_told(tmp_path):
    (tmp_path / "answers").write_text("a file")
    with pytest.raises(JournalError, match="can't be kept"):
        AnswerLog.create(tmp_path / "answers" / "e")


def test_only_one_takes_an_abandoned_log(tmp_path):
    """Neither a living log nor one in other hands can be taken; one that is gone is none."""
    log = AnswerLog.create(tmp_path)
    assert Abandoned.take(log.path) is None
    log.close()
    first = Abandoned.take(log.path)
    assert first is not None
    assert Abandoned.take(log.path) is None
    first.remove()
    first.release()
    assert Abandoned.take(log.path) is None
