"""A data set with its records repaired as a plan says, one record at a time, when they are read."""

import attrs

from finetuner._core.types import Json
from finetuner.data import formats
from finetuner.data.checks.plan import FixPlan
from finetuner.data.formats import finetuner, openai
from finetuner.data.problems import Problem
from finetuner.data.rows import View
from finetuner.data.shapes import is_object
from finetuner.errors import DataFormatError


@attrs.frozen(kw_only=True, eq=False)
class Repaired:
    """The rows of a view as records of a wire format, each changed by the plan's repairs."""

    view: View
    wire: formats.Format
    plan: FixPlan

    @property
    def name(self) -> str:
        """The path, or another name for people."""
        return self.view.records.name

    @property
    def blank_lines(self) -> int:
        """None: this is no file."""
        return 0

    @property
    def size(self) -> int | None:
        """None: this is no file."""
        return None

    def __len__(self) -> int:
        return len(self.view)

    def line(self, row: int) -> int:
        """The 1-based line where the row stood."""
        return self.view.line(row)

    def file(self, row: int) -> str:
        """The file where it stood."""
        return self.view.file(row)

    def read(self, row: int) -> Json | Problem:
        """The repaired record; or why there is none."""
        record = self._record(row)
        if is_object(record):
            for repair in self.plan.repairs():
                record = repair.change(record)
        return record

    def _record(self, row: int) -> Json | Problem:
        view = self.view
        if self.wire is not openai:
            return view.record(row, self.wire)
        if view.format in (openai.NAME, finetuner.NAME):
            return view.records.read(int(view.rows[row]))
        record = view.record(row, openai)
        try:
            metadata = dict(view.example(row).metadata)
        except DataFormatError:
            metadata = {}  # the record is a problem then, which says why
        return {**record, "metadata": metadata} if is_object(record) and metadata else record


def repaired(view: View, plan: FixPlan) -> View:
    """The view with its records repaired; rows are dropped by the caller, who can check again."""
    wire = formats.get(plan.format)
    # Metadata is kept beside OpenAI's own keys in our own format alone.
    read_as = formats.get("finetuner") if wire is openai else wire
    return View.of(Repaired(view=view, wire=wire, plan=plan), read_as, read_as.from_record)
