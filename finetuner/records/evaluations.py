"""The journal of evaluations: what was asked of which model, every answer that was paid for, and the result."""

import itertools
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import attrs
import msgspec
import sqlalchemy
from sqlalchemy import Connection, RowMapping

from finetuner._core import codec
from finetuner._core.types import Json
from finetuner.records.answer_log import Abandoned, AnswerLog, Entry, entries, logs
from finetuner.records.journal import Journal
from finetuner.records.tables import answer_keys, answers, evaluations

T = TypeVar("T")

_CHUNK: Final = 5_000
_MOST_NAMES: Final = 500  # of one SQL statement


@attrs.frozen(kw_only=True)
class EvaluationRecord:
    """One evaluation, comparison or benchmark as the journal knows it.

    Attributes:
        id: Decided by model, data and options: the same evaluation has the same id.
        model: `provider:model`; the tuned one in a comparison.
        dataset: The data set's fingerprint.
        kind: `evaluation`, `judgement`, `comparison` or `benchmark`.
        result: What came out, as plain JSON; None while it runs.
        created_at: Seconds since the epoch.
        finished_at: Likewise; None while it runs.
    """

    id: str
    model: str
    dataset: str
    kind: str
    result: Json
    created_at: float
    finished_at: float | None


@attrs.frozen
class EvaluationRecords:
    """Evaluations in a journal. Every write is on disk when the call returns."""

    journal: Journal

    def begin(self, id: str, *, model: str, dataset: str, kind: str) -> None:
        """Note that an evaluation starts; starting it again continues it."""
        with self.journal.transaction() as connection:
            known = connection.execute(sqlalchemy.select(evaluations.c.id).where(evaluations.c.id == id)).first()
            if known is None:
                values = {"id": id, "model": model, "dataset": dataset, "kind": kind, "created_at": time.time()}
                connection.execute(evaluations.insert().values(values))

    @contextmanager
    def keeping(self, evaluation: str) -> Generator[AnswerLog]:
        """Where this process keeps an evaluation's answers as they come in; at the end the journal gets them all.

        Raises:
            JournalError: Answers can't be kept.
        """
        log = AnswerLog.create(self._folder(evaluation))
        try:
            yield log
        finally:
            log.close()
            self.fold(evaluation)

    def answers(self, evaluation: str, cls: type[T]) -> dict[int, T]:
        """Kept answers by row number, as objects of a class; those of dead and living processes alike.

        Raises:
            JournalError: The journal can't be read.
        """
        self.fold(evaluation)
        query = (
            sqlalchemy.select(answers.c.row, answers.c.answer)
            .where(answers.c.evaluation == evaluation)
            .order_by(answers.c.row)
        )
        decoder = msgspec.json.Decoder(cls)
        with self.journal.transaction() as connection:
            found = {row: decoder.decode(body) for row, body in connection.execute(query)}
        for path in logs(self._folder(evaluation)):  # of processes that are still at it
            found |= {entry.row: decoder.decode(entry.answer) for entry in entries(path)}
        return found

    def next_row(self, evaluation: str) -> int:
        """The lowest row number above all that have an answer: where more answers can be kept."""
        query = sqlalchemy.select(sqlalchemy.func.max(answers.c.row)).where(answers.c.evaluation == evaluation)
        with self.journal.transaction() as connection:
            highest = connection.execute(query).scalar()
        return 0 if highest is None else int(highest) + 1

    def cached(self, keys: Sequence[str], cls: type[T]) -> dict[str, T]:
        """Answers that any evaluation has to the same requests, by the requests' keys.

        Raises:
            JournalError: The journal can't be read.
        """
        decoder, found = msgspec.json.Decoder(cls), dict[str, T]()
        with self.journal.transaction() as connection:
            for start in range(0, len(keys), _MOST_NAMES):
                query = (
                    sqlalchemy.select(answer_keys.c.key, answers.c.answer)
                    .join(
                        answers,
                        (answers.c.evaluation == answer_keys.c.evaluation) & (answers.c.row == answer_keys.c.row),
                    )
                    .where(answer_keys.c.key.in_(keys[start : start + _MOST_NAMES]))
                )
                found |= {key: decoder.decode(body) for key, body in connection.execute(query)}
        return found

    def fold(self, evaluation: str) -> None:
        """Take the logs of processes that are done or dead into the journal; folding twice changes nothing.

        Raises:
            JournalError: A log is damaged, or the journal can't be written.
        """
        for path in logs(self._folder(evaluation)):
            log = Abandoned.take(path)
            if log is None:
                continue
            try:
                kept = entries(path)
                while chunk := list(itertools.islice(kept, _CHUNK)):
                    self._insert(evaluation, chunk)
                log.remove()
            finally:
                log.release()

    def _insert(self, evaluation: str, chunk: Sequence[Entry]) -> None:
        latest = {entry.row: entry for entry in chunk}
        rows = [
            {"evaluation": evaluation, "row": row, "answer": bytes(entry.answer).decode(), "created_at": entry.at}
            for row, entry in latest.items()
        ]
        keys = {entry.key: row for row, entry in latest.items() if entry.key is not None}
        with self.journal.transaction() as connection:
            self._replace(connection, answers, answers.c.row, tuple(latest), evaluation=evaluation)
            connection.execute(answers.insert(), rows)
            if keys:
                self._replace(connection, answer_keys, answer_keys.c.key, tuple(keys))
                named = [{"key": key, "evaluation": evaluation, "row": row} for key, row in keys.items()]
                connection.execute(answer_keys.insert(), named)

    @staticmethod
    def _replace(
        connection: Connection,
        table: sqlalchemy.Table,
        column: sqlalchemy.Column[Any],
        values: Sequence[Any],
        *,
        evaluation: str | None = None,
    ) -> None:
        """Make room for rows that are there already."""
        for start in range(0, len(values), _MOST_NAMES):
            condition: sqlalchemy.ColumnElement[bool] = column.in_(values[start : start + _MOST_NAMES])
            if evaluation is not None:
                condition &= table.c.evaluation == evaluation
            connection.execute(table.delete().where(condition))

    def _folder(self, evaluation: str) -> Path:
        return self.journal.workspace.folder / "answers" / evaluation

    def finish(self, id: str, result: Any) -> None:
        """Keep an evaluation's result (an attrs object or plain JSON value)."""
        update = (
            evaluations.update()
            .where(evaluations.c.id == id)
            .values(result=codec.to_json(result), finished_at=time.time())
        )
        with self.journal.transaction() as connection:
            connection.execute(update)

    def get(self, id: str) -> EvaluationRecord | None:
        """The evaluation with this id, or None."""
        found = self._select(evaluations.c.id == id)
        return found[0] if found else None

    def list(self, *, model: str | None = None, kind: str | None = None) -> tuple[EvaluationRecord, ...]:
        """Evaluations, newest first.

        Args:
            model: Only of this `provider:model`.
            kind: Only of this kind.
        """
        conditions = [
            column == value
            for column, value in ((evaluations.c.model, model), (evaluations.c.kind, kind))
            if value is not None
        ]
        return self._select(*conditions)

    def _select(self, *conditions: sqlalchemy.ColumnElement[bool]) -> tuple[EvaluationRecord, ...]:
        query = sqlalchemy.select(evaluations).where(*conditions).order_by(evaluations.c.created_at.desc())
        with self.journal.transaction() as connection:
            return tuple(_record(row) for row in connection.execute(query).mappings())


def _record(row: RowMapping) -> EvaluationRecord:
    values: dict[str, Any] = {str(key): value for key, value in row.items()}
    result = values.pop("result")
    return EvaluationRecord(**values, result=None if result is None else codec.decode(result))
