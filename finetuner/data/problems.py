"""What is wrong with a record, without its place."""

from typing import Literal

import attrs

from finetuner.errors import DataFormatError


@attrs.frozen(kw_only=True)
class Problem:
    """Why a row can't be read, or what is wrong with it.

    Attributes:
        code: Stable name, such as `invalid_json`.
        message: What is wrong.
        fix: What to do about it.
        field: Path inside the record, such as `messages[0].role`; empty where the whole line or file is meant.
        severity: `error` where the provider would refuse or mistrain it, else `warning`.
    """

    code: str
    message: str
    fix: str = ""
    field: str = ""
    severity: Literal["error", "warning"] = "error"

    def error(self, file: str, line: int) -> DataFormatError:
        """The problem as an error with its place."""
        text = f"{self.message}. {self.fix}" if self.fix else self.message
        return DataFormatError(text, file=file, line=line, field=self.field or None)
