"""Jobs of the embedded provider: what can be trained, and what its process needs to know."""

from collections.abc import Mapping
from typing import Final

import attrs

from finetuner._core.types import Json
from finetuner.providers.catalog import BaseModel
from finetuner.providers.detached.jobs import DetachedTrainer
from finetuner.providers.detached.numbers import check_request
from finetuner.providers.local.mapping import KIND, Hyperparameters
from finetuner.providers.local.sizes import size_from, size_options
from finetuner.providers.ports import JobRequest

_METHODS: Final = ("supervised",)
_THREADS: Final = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


@attrs.frozen
class LocalTrainer(DetachedTrainer):
    """The `Trainer` and `Pauser` of embedded models."""

    def check(self, request: JobRequest, base: BaseModel) -> None:
        """Refuse other methods than supervised, and hyperparameters out of range. Raises `RequestRejectedError`."""
        check_request(KIND, request, _METHODS)
        Hyperparameters.parse(request.hyperparameters, max_epochs=base.limits.max_epochs)

    def size(self, base: BaseModel) -> Mapping[str, Json]:
        """The base model's numbers, as `sizes.size_from` reads them."""
        return size_options(size_from(base.options))

    def environment(self) -> Mapping[str, str]:
        """One thread: the matrices are small, and sums of several threads would make weights depend on the machine."""
        return dict.fromkeys(_THREADS, "1")
