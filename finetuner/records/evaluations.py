"""The journal of evaluations: what was asked of which model, every answer that was paid for, and the result."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import attrs
import sqlalchemy
from sqlalchemy import Connection, RowMapping

from finetuner._core import codec
from finetuner._core.types import Json
from finetuner.records.journal import Journal
from finetuner.records.tables import answers, evaluations

T = TypeVar("T")


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

    def keep(self, evaluation: str, bodies: Mapping[int, Any]) -> None:
        """Keep answers in one transaction; a row that is already there is replaced.

        Args:
            evaluation: The evaluation's id.
            bodies: Row number to an attrs object or plain JSON value.
        """
        if not bodies:
            return
        now = time.time()
        rows = [
            {"evaluation": evaluation, "row": row, "answer": codec.to_json(body), "created_at": now}
            for row, body in bodies.items()
        ]
        with self.journal.transaction() as connection:
            _forget(connection, evaluation, tuple(bodies))
            connection.execute(answers.insert(), rows)

    def answers(self, evaluation: str, cls: type[T]) -> dict[int, T]:
        """Kept answers by row number, as objects of a class.

        Raises:
            JournalError: The journal can't be read.
        """
        query = (
            sqlalchemy.select(answers.c.row, answers.c.answer)
            .where(answers.c.evaluation == evaluation)
            .order_by(answers.c.row)
        )
        with self.journal.transaction() as connection:
            found = connection.execute(query).all()
        return {row: codec.from_json(body, cls) for row, body in found}

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


def _forget(connection: Connection, evaluation: str, rows: Sequence[int]) -> None:
    connection.execute(answers.delete().where(answers.c.evaluation == evaluation, answers.c.row.in_(rows)))
