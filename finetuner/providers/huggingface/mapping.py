"""What is asked of open weights: methods and hyperparameters, checked; and when training has stopped to help."""

from collections.abc import Mapping, Sequence
from typing import Final

import attrs

from finetuner._core.types import Json
from finetuner.providers.detached.kind import Kind
from finetuner.providers.detached.numbers import given, number, whole

KIND: Final = Kind(
    name="huggingface",
    adjective="open-weight",
    process="finetuner.providers.huggingface.process",
    weights="adapter_model.safetensors",
)
METHODS: Final = ("supervised", "dpo")

_MOST_EPOCHS: Final = 50
_LARGEST_BATCH: Final = 1_024
_LARGEST_RANK: Final = 512
_LONGEST: Final = 1_000_000
_LARGEST_MULTIPLIER: Final = 1_000.0
_EPOCHS: Final = 3
_BATCH: Final = 8
_FEW_EXAMPLES: Final = 100
_BATCH_OF_FEW: Final = 4
_MICRO_BATCH: Final = 4
_LEARNING_RATES: Final[Mapping[str, float]] = {"supervised": 2e-4, "dpo": 2e-5}  # usual for LoRA; full tuning's / 10


@attrs.frozen(kw_only=True)
class Hyperparameters:
    """Checked hyperparameters; None is decided when the data is known.

    Attributes:
        epochs: Passes over the training file.
        batch_size: Examples in a step of the optimizer.
        micro_batch_size: Examples in memory at once; a step goes through its batch in such pieces.
        learning_rate: Of the optimizer (AdamW, linear decay).
        learning_rate_multiplier: Factor on the learning rate.
        lora_rank: Rank of the adapter's matrices.
        lora_alpha: Scale of the adapter; twice the rank by default.
        lora_dropout: Share of the adapter's inputs that is left out in training.
        max_length: Tokens after which an example is cut; the model's context by default.
        beta: In preference tuning, how closely the model keeps to its base.
        early_stopping_patience: Epochs without a better validation loss after which training stops; the model is the
            best epoch's then.
    """

    epochs: int | None = None
    batch_size: int | None = None
    micro_batch_size: int | None = None
    learning_rate: float | None = None
    learning_rate_multiplier: float = 1.0
    lora_rank: int = 16
    lora_alpha: int | None = None
    lora_dropout: float = 0.05
    max_length: int | None = None
    beta: float = 0.1
    early_stopping_patience: int | None = None

    @classmethod
    def parse(
        cls, asked: Mapping[str, Json], *, max_epochs: int | None = None, validated: bool = True
    ) -> "Hyperparameters":
        """The hyperparameters of a request; `"auto"` and None mean the same as absent.

        Args:
            asked: As the request has them.
            max_epochs: The base model's limit.
            validated: Whether there is a validation file.

        Raises:
            RequestRejectedError: One is unknown or out of range; the message names it.
        """
        values = given(KIND, asked, [field.name for field in attrs.fields(cls)])
        if "early_stopping_patience" in values and not validated:
            raise KIND.rejected("hyperparameters.early_stopping_patience", "needs a validation file: give validation=")
        most = {
            "epochs": max_epochs or _MOST_EPOCHS,
            "batch_size": _LARGEST_BATCH,
            "micro_batch_size": _LARGEST_BATCH,
            "lora_rank": _LARGEST_RANK,
            "lora_alpha": _LARGEST_RANK * 4,
            "max_length": _LONGEST,
            "early_stopping_patience": _MOST_EPOCHS,
        }
        limits = {"learning_rate": 1.0, "learning_rate_multiplier": _LARGEST_MULTIPLIER, "beta": 10.0}
        checked: dict[str, Json] = {name: whole(KIND, values, name, limit) for name, limit in most.items()}
        checked |= {name: number(KIND, values, name, limit) for name, limit in limits.items()}
        checked["lora_dropout"] = None if values.get("lora_dropout") == 0 else number(KIND, values, "lora_dropout", 0.9)
        chosen = {name: value for name, value in checked.items() if value is not None}
        if values.get("lora_dropout") == 0:
            chosen["lora_dropout"] = 0.0
        return cls(**chosen)

    def resolved(self, n_examples: int, method: str) -> "Hyperparameters":
        """The same with every choice made."""
        batch = self.batch_size or (_BATCH if n_examples >= _FEW_EXAMPLES else _BATCH_OF_FEW)
        rate = self.learning_rate or _LEARNING_RATES[method] * self.learning_rate_multiplier
        return attrs.evolve(
            self,
            epochs=self.epochs or _EPOCHS,
            batch_size=batch,
            micro_batch_size=min(batch, self.micro_batch_size or _MICRO_BATCH),
            learning_rate=rate,
            lora_alpha=self.lora_alpha or 2 * self.lora_rank,
        )


def exhausted(losses: Sequence[float], patience: int | None) -> bool:
    """Whether so many epochs have passed without a better validation loss.

    Args:
        losses: Validation losses, one for each epoch so far.
        patience: Epochs to wait; None waits for ever.
    """
    return patience is not None and len(losses) > patience and min(losses[:-patience]) <= min(losses[-patience:])
