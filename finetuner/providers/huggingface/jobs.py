"""Jobs of open weights: what can be trained, and what its process needs to know."""

from collections.abc import Mapping

import attrs

from finetuner._core.types import Json
from finetuner.providers.catalog import BaseModel
from finetuner.providers.detached.jobs import DetachedTrainer
from finetuner.providers.detached.numbers import check_request
from finetuner.providers.huggingface import bases, libraries
from finetuner.providers.huggingface.mapping import KIND, METHODS, Hyperparameters
from finetuner.providers.ports import JobRequest


@attrs.frozen
class HuggingFaceTrainer(DetachedTrainer):
    """The `Trainer` and `Pauser` of open-weight models."""

    def check(self, request: JobRequest, base: BaseModel) -> None:
        """Refuse what can't be trained.

        Raises:
            RequestRejectedError: The method or a hyperparameter isn't possible.
            MissingExtraError: torch, transformers, PEFT or TRL isn't installed.
        """
        check_request(KIND, request, METHODS)
        validated = request.validation_file is not None
        Hyperparameters.parse(request.hyperparameters, max_epochs=base.limits.max_epochs, validated=validated)
        libraries.require_all()

    def size(self, base: BaseModel) -> Mapping[str, Json]:
        """Where the weights lie. Raises `NotFoundError` or `RequestRejectedError`."""
        return bases.find(base.name).to_json()
