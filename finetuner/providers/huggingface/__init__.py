"""Open weights: models of a folder or the hub, tuned on this machine with LoRA, and served in this process.

A job has the same life as a hosted one, in a process of its own that outlives the program that created it. What it
needs (torch, transformers, PEFT, TRL) is imported when a model is trained or asked, not before.
"""

from pathlib import Path

from finetuner._core.workspace import Workspace
from finetuner.providers.catalog import load_catalog
from finetuner.providers.detached.files import DetachedFiles
from finetuner.providers.detached.store import Store
from finetuner.providers.huggingface.advisor import HuggingFaceAdvisor
from finetuner.providers.huggingface.completer import HuggingFaceCompleter
from finetuner.providers.huggingface.export import export_adapter, export_merged
from finetuner.providers.huggingface.jobs import HuggingFaceTrainer
from finetuner.providers.huggingface.mapping import KIND
from finetuner.providers.huggingface.reading import FORMATS
from finetuner.providers.ports import Provider

__all__ = ["connect", "export_adapter", "export_merged"]


def connect(*, workspace: str | Path | Workspace | None = None) -> Provider:
    """The open weights of a workspace.

    Args:
        workspace: Where files, jobs and adapters lie; by default `$FINETUNER_WORKSPACE`, else `.finetuner`.
    """
    store = Store(KIND, Workspace.at(workspace).folder / KIND.name)
    catalog = load_catalog(KIND.name)
    trainer = HuggingFaceTrainer(store, catalog)
    return Provider(
        name=KIND.name,
        formats=FORMATS,
        catalog=catalog,
        completer=HuggingFaceCompleter(store),
        trainer=trainer,
        files=DetachedFiles(store),
        pauser=trainer,
        advisor=HuggingFaceAdvisor(),
    )
