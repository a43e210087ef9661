"""An event is in the journal once, whoever folds it, in SQLite and in PostgreSQL."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from finetuner._core.workspace import Workspace
from finetuner.records.journal import Journal
from finetuner.records.observations import EventRecord, ObservationRecords

_NOBODY = 65534


def event(number: int) -> EventRecord:
    return EventRecord(offset=number * 100, kind="exposure", request_id=f"r{number}", body=f"b{number}", at=number)


def _as_nobody() -> None:
    os.setgid(_NOBODY)
    os.setuid(_NOBODY)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a real server, of this test run alone."""
    programs = [shutil.which(name) for name in ("initdb", "pg_ctl")]
    if None in programs:
        pytest.skip("needs initdb and pg_ctl of PostgreSQL on the path")
    initdb, pg_ctl = (str(program) for program in programs)
    folder = Path("/tmp") / f"ft-pg-{os.getpid()}"  # a socket's path may have 107 bytes
    folder.mkdir()
    demote = _as_nobody if os.getuid() == 0 else None  # the server refuses to run as root
    if demote:
        os.chown(folder, _NOBODY, _NOBODY)
    data = folder / "data"

    def run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, timeout=60, cwd=folder, preexec_fn=demote)

    try:
        run(initdb, "-D", str(data), "-U", "finetuner", "-A", "trust", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off"
        run(pg_ctl, "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
    except (subprocess.SubprocessError, OSError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL doesn't start here: {getattr(error, 'stderr', None) or error}")
    try:
        yield f"postgresql+psycopg://finetuner@/postgres?host={folder}"
    finally:
        run(pg_ctl, "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    address = f"sqlite:///{tmp_path / 'journal.db'}"
    if request.param == "postgresql":
        address = request.getfixturevalue("postgres")
    with Journal.open(Workspace(folder=tmp_path, database=address)) as opened:
        yield opened


def test_only_what_is_new_in_a_file_is_taken(journal: Journal, tmp_path: Path) -> None:
    records, rollout = ObservationRecords(journal), tmp_path.name
    asked = []

    def read(offset: int) -> list[EventRecord]:
        asked.append(offset)
        return [event(number) for number in range(5) if event(number).offset >= offset]

    assert [records.fold(rollout, "segment", read) for _ in range(2)] == [5, 0]
    assert asked == [0, 400]
    assert records.bodies(rollout) == ("b0", "b1", "b2", "b3", "b4")


def test_a_large_file_has_large_offsets(journal: Journal, tmp_path: Path) -> None:
    far = EventRecord(offset=1 << 40, kind="exposure", request_id="r", body="b", at=1.0)
    assert ObservationRecords(journal).fold(tmp_path.name, "large", lambda _: [far]) == 1


def test_many_that_fold_one_file_at_once_take_it_once(journal: Journal, tmp_path: Path) -> None:
    rollout = tmp_path.name

    def fold(_: int) -> None:
        ObservationRecords(journal).fold(rollout, "segment", lambda offset: map(event, range(offset // 100, 300)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fold, range(8)))
    assert len(ObservationRecords(journal).bodies(rollout)) == 300
