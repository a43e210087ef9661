"""Fine-tune a language model and live with it in production: data, training, evaluation, deployment.

Names are imported when they are first used, so that `import finetuner` brings in no vendor's SDK.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from finetuner.data.dataset import Dataset
    from finetuner.data.examples import Example, Message
    from finetuner.deployment.card import Card, card
    from finetuner.deployment.checklist import Checklist, checklist
    from finetuner.deployment.monitor import Monitor, monitor
    from finetuner.deployment.rollout import Rollout
    from finetuner.deployment.router import Router
    from finetuner.errors import FinetunerError
    from finetuner.evaluation.comparison import compare, compare_async
    from finetuner.evaluation.gate import benchmark, benchmark_async
    from finetuner.evaluation.judge import Judge
    from finetuner.evaluation.rubric import Rubric
    from finetuner.evaluation.run import evaluate, evaluate_async
    from finetuner.evaluation.statistics.estimate import Estimate
    from finetuner.evaluation.synthesis import synthesize, synthesize_async
    from finetuner.providers.model import Model
    from finetuner.providers.registry import connect as provider
    from finetuner.training.estimate import estimate
    from finetuner.training.job import Job
    from finetuner.training.search import learning_curve, search
    from finetuner.training.waiting import wait_all, wait_all_async

__all__ = [
    "Card",
    "Checklist",
    "Dataset",
    "Estimate",
    "Example",
    "FinetunerError",
    "Job",
    "Judge",
    "Message",
    "Model",
    "Monitor",
    "Rollout",
    "Router",
    "Rubric",
    "benchmark",
    "benchmark_async",
    "card",
    "checklist",
    "compare",
    "compare_async",
    "estimate",
    "evaluate",
    "evaluate_async",
    "learning_curve",
    "monitor",
    "provider",
    "search",
    "synthesize",
    "synthesize_async",
    "wait_all",
    "wait_all_async",
]

_HOMES = {
    "Card": "deployment.card",
    "Checklist": "deployment.checklist",
    "Dataset": "data.dataset",
    "Estimate": "evaluation.statistics.estimate",
    "Example": "data.examples",
    "FinetunerError": "errors",
    "Job": "training.job",
    "Judge": "evaluation.judge",
    "Message": "data.examples",
    "Model": "providers.model",
    "Monitor": "deployment.monitor",
    "Rollout": "deployment.rollout",
    "Router": "deployment.router",
    "Rubric": "evaluation.rubric",
    "benchmark": "evaluation.gate",
    "benchmark_async": "evaluation.gate",
    "card": "deployment.card",
    "checklist": "deployment.checklist",
    "compare": "evaluation.comparison",
    "compare_async": "evaluation.comparison",
    "estimate": "training.estimate",
    "evaluate": "evaluation.run",
    "evaluate_async": "evaluation.run",
    "learning_curve": "training.search",
    "monitor": "deployment.monitor",
    "provider": "providers.registry:connect",
    "search": "training.search",
    "synthesize": "evaluation.synthesis",
    "synthesize_async": "evaluation.synthesis",
    "wait_all": "training.waiting",
    "wait_all_async": "training.waiting",
}


def __getattr__(name: str) -> Any:
    """A public name, imported at its first use and kept."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, other = _HOMES[name].partition(":")
    value = getattr(import_module(f"{__name__}.{module}"), other or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """All public names."""
    return sorted([*__all__, "__version__"])
