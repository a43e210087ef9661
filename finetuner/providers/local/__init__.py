"""The embedded provider: text classifiers that are trained on this machine and served in this process, offline.

A job has the same life as a hosted one, in a process of its own that outlives the program that created it.
"""

from pathlib import Path

from finetuner._core.workspace import Workspace
from finetuner.providers.catalog import load_catalog
from finetuner.providers.detached.files import DetachedFiles
from finetuner.providers.detached.store import Store
from finetuner.providers.local.advisor import LocalAdvisor
from finetuner.providers.local.completer import LocalCompleter
from finetuner.providers.local.jobs import LocalTrainer
from finetuner.providers.local.mapping import KIND
from finetuner.providers.local.reading import FORMAT
from finetuner.providers.ports import Provider

__all__ = ["connect"]


def connect(*, workspace: str | Path | Workspace | None = None) -> Provider:
    """The embedded provider of a workspace.

    Args:
        workspace: Where files, jobs and models lie; by default `$FINETUNER_WORKSPACE`, else `.finetuner`.
    """
    store = Store(KIND, Workspace.at(workspace).folder / KIND.name)
    catalog = load_catalog(KIND.name)
    trainer = LocalTrainer(store, catalog)
    return Provider(
        name=KIND.name,
        formats=(FORMAT,),
        catalog=catalog,
        completer=LocalCompleter(store, catalog),
        trainer=trainer,
        files=DetachedFiles(store),
        pauser=trainer,
        advisor=LocalAdvisor(),
    )
