"""Taking a tuned model out of the workspace, in the forms that other servers read.

An adapter goes with its base model into vLLM (`--enable-lora --lora-modules name=FOLDER`) or PEFT. A merged model is a
folder of safetensors like any on the hub: vLLM serves it, llama.cpp's `convert_hf_to_gguf.py` converts it, and Ollama
imports it (`ollama create NAME`, in the folder). Each of them speaks OpenAI's API then: `openai:` with a `base_url`.
"""

from pathlib import Path
from typing import Final

from finetuner._core.workspace import Workspace
from finetuner.errors import UsageError
from finetuner.providers.detached.store import Store
from finetuner.providers.huggingface import weights
from finetuner.providers.huggingface.completer import HuggingFaceCompleter, Tuned
from finetuner.providers.huggingface.mapping import KIND
from finetuner.providers.model import Model
from finetuner.providers.reference import ModelReference

_MODELFILE: Final = "FROM .\n"


def export_adapter(
    model: str | ModelReference | Model, folder: str | Path, *, workspace: str | Path | Workspace | None = None
) -> Path:
    """The adapter of a tuned model, with the tokenizer and its chat template.

    Args:
        model: `huggingface:ft:…`, a checkpoint included.
        folder: Where to; it must not exist, or be empty.
        workspace: Where the model lies; by default `$FINETUNER_WORKSPACE`, else `.finetuner`.

    Returns:
        The folder.

    Raises:
        UsageError: The folder isn't empty, or the model is another provider's.
        NotFoundError: There is no such tuned model.
    """
    tuned, target = _tuned(model, workspace), _empty(folder)
    base = tuned.base.fetched()
    loaded, tokenizer = weights.load_model(base, tuned.adapter), weights.load_tokenizer(base)
    called = tuned.base.repository or str(tuned.base.folder)
    weights.save_adapter(loaded, tokenizer, target, base=called)
    return target


def export_merged(
    model: str | ModelReference | Model, folder: str | Path, *, workspace: str | Path | Workspace | None = None
) -> Path:
    """A tuned model with its adapter added to the weights: safetensors, tokenizer, chat template, and a Modelfile.

    Args:
        model: `huggingface:ft:…`, a checkpoint included.
        folder: Where to; it must not exist, or be empty.
        workspace: Where the model lies; by default `$FINETUNER_WORKSPACE`, else `.finetuner`.

    Returns:
        The folder, which is a base model for this provider too.

    Raises:
        UsageError: The folder isn't empty, or the model is another provider's.
        NotFoundError: There is no such tuned model.
    """
    tuned, target = _tuned(model, workspace), _empty(folder)
    base = tuned.base.fetched()
    weights.save_merged(weights.load_model(base, tuned.adapter), weights.load_tokenizer(base), target)
    (target / "Modelfile").write_text(_MODELFILE, encoding="utf-8")
    return target


def _tuned(model: str | ModelReference | Model, workspace: str | Path | Workspace | None) -> Tuned:
    reference = model.reference if isinstance(model, Model) else ModelReference.parse(model)
    if reference.provider != KIND.name:
        raise UsageError(f"{reference} has no weights here; only models of the provider {KIND.name} can be exported")
    store = Store(KIND, Workspace.at(workspace).folder / KIND.name)
    return HuggingFaceCompleter(store).tuned(reference.model)


def _empty(folder: str | Path) -> Path:
    path = Path(folder)
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise UsageError(f"{path} isn't an empty folder; give another one")
    path.mkdir(parents=True, exist_ok=True)
    return path
