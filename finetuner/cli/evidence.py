"""What data commands found, written down for the checklist."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from finetuner.cli import output

if TYPE_CHECKING:
    from finetuner.data.dataset import Dataset
    from finetuner.records.evidence import DataEvidence
    from finetuner.records.findings import Finding


def note(data: "Dataset", workspace: str | None, found: "Callable[[DataEvidence], Finding]") -> None:
    """Write a finding about a data set into the journal; a journal that can't be written fails no command.

    Data with lines that can't be read has no fingerprint, and so no finding.
    """
    from finetuner.errors import DataFormatError, JournalError
    from finetuner.records.evidence import DataEvidence
    from finetuner.records.findings import Findings
    from finetuner.records.journal import Journal

    try:
        with Journal.open(workspace) as journal:
            found(DataEvidence(Findings(journal), data.fingerprint))
    except DataFormatError:
        return
    except (JournalError, OSError) as error:
        output.advice(f"Not noted for the checklist: {error}")
