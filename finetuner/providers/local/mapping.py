"""What is asked of an embedded model: its hyperparameters, checked."""

from collections.abc import Mapping
from typing import Final

import attrs

from finetuner._core.types import Json
from finetuner.providers.detached.kind import Kind
from finetuner.providers.detached.numbers import given, number, whole
from finetuner.providers.local.sizes import automatic_batch_size, automatic_epochs

KIND: Final = Kind(
    name="local",
    adjective="embedded",
    process="finetuner.providers.local.process",
    weights="weights.safetensors",
)

_MOST_EPOCHS: Final = 50
_LARGEST_BATCH: Final = 4_096
_LARGEST_MULTIPLIER: Final = 1_000.0


@attrs.frozen(kw_only=True)
class Hyperparameters:
    """Checked hyperparameters; None is decided when the data is known.

    Attributes:
        epochs: Passes over the training file.
        batch_size: Examples in a step.
        learning_rate_multiplier: Factor on the base model's learning rate.
    """

    epochs: int | None = None
    batch_size: int | None = None
    learning_rate_multiplier: float = 1.0

    @classmethod
    def parse(cls, asked: Mapping[str, Json], *, max_epochs: int | None = None) -> "Hyperparameters":
        """The hyperparameters of a request; `"auto"` and None mean the same as absent.

        Raises:
            RequestRejectedError: One is unknown or out of range; the message names it.
        """
        values = given(KIND, asked, [field.name for field in attrs.fields(cls)])
        most = max_epochs or _MOST_EPOCHS
        multiplier = number(KIND, values, "learning_rate_multiplier", _LARGEST_MULTIPLIER)
        return cls(
            epochs=whole(KIND, values, "epochs", most),
            batch_size=whole(KIND, values, "batch_size", _LARGEST_BATCH),
            learning_rate_multiplier=1.0 if multiplier is None else multiplier,
        )

    def resolved(self, n_examples: int) -> "ResolvedHyperparameters":
        """The same with every choice made."""
        return ResolvedHyperparameters(
            epochs=self.epochs or automatic_epochs(n_examples),
            batch_size=self.batch_size or automatic_batch_size(n_examples),
            learning_rate_multiplier=self.learning_rate_multiplier,
        )


@attrs.frozen(kw_only=True)
class ResolvedHyperparameters:
    """Hyperparameters with every choice made."""

    epochs: int
    batch_size: int
    learning_rate_multiplier: float
