"""What is to be trained, in words that every provider understands."""

from collections.abc import Mapping
from types import MappingProxyType

import attrs

from finetuner._core.hashing import json_sha256
from finetuner._core.types import Json
from finetuner.errors import UsageError
from finetuner.providers.catalog import BaseModel

DEFAULT_EPOCHS = 3
_MOST_EPOCHS = 50
_LONGEST_SUFFIX = 64
_LARGEST_SEED = 2**31 - 1
_NOTHING: Mapping[str, Json] = MappingProxyType({})

PAIRS = ("dpo", "preference")
"""Two names of the same training: OpenAI's and Vertex AI's."""


@attrs.frozen(kw_only=True)
class TrainingSpec:
    """How to train.

    Attributes:
        model: The base model's id, without its provider.
        method: `supervised`, `dpo`, `preference` or `reinforcement`.
        epochs: 1 to 50, None for the provider's choice.
        batch_size: Examples in a step, None for the provider's choice.
        learning_rate_multiplier: Above 0, None for the provider's choice.
        suffix: Part of the tuned model's name, 1 to 64 characters.
        seed: 0 to 2147483647.
        hyperparameters: Others, such as `beta`, passed on as they are.
    """

    model: str
    method: str = "supervised"
    epochs: int | None = None
    batch_size: int | None = None
    learning_rate_multiplier: float | None = None
    suffix: str | None = None
    seed: int | None = None
    hyperparameters: Mapping[str, Json] = _NOTHING

    def __attrs_post_init__(self) -> None:
        """Refuse what no provider takes, before anything is sent."""
        if self.epochs is not None and not 1 <= self.epochs <= _MOST_EPOCHS:
            raise UsageError(f"epochs must be 1 to {_MOST_EPOCHS}, not {self.epochs}")
        if self.suffix is not None and not 1 <= len(self.suffix) <= _LONGEST_SUFFIX:
            raise UsageError(f"suffix must have 1 to {_LONGEST_SUFFIX} characters, not {len(self.suffix)}")
        if self.seed is not None and not 0 <= self.seed <= _LARGEST_SEED:
            raise UsageError(f"seed must be 0 to {_LARGEST_SEED}, not {self.seed}")
        if self.learning_rate_multiplier is not None and self.learning_rate_multiplier <= 0:
            raise UsageError(f"learning_rate_multiplier must be above 0, not {self.learning_rate_multiplier}")

    def wire_hyperparameters(self) -> dict[str, Json]:
        """All hyperparameters that are set, by their names in `JobRequest`."""
        named = {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate_multiplier": self.learning_rate_multiplier,
        }
        return {name: value for name, value in named.items() if value is not None} | dict(self.hyperparameters)

    def key(self, *, provider: str, training: str, validation: str | None, attempt: int = 0) -> str:
        """The idempotency key: equal for equal jobs, at most 64 characters of `[0-9a-f-]`.

        Args:
            provider: The provider's name.
            training: What the training file holds (a hash), or its id.
            validation: Likewise, or None.
            attempt: Grows when a job is wanted again after the same one failed.
        """
        digest = json_sha256(
            [provider, attrs.asdict(self) | {"hyperparameters": dict(self.hyperparameters)}, training, validation]
        )
        return f"{digest[:40]}-{attempt}"


def trains(entry: BaseModel, method: str) -> bool:
    """Whether a model can be trained by a method."""
    return method in entry.methods or (method in PAIRS and any(name in entry.methods for name in PAIRS))
