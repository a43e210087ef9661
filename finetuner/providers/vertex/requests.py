"""The bodies of new tuning jobs: pure."""

import re
from collections.abc import Mapping
from typing import Final

from finetuner._core.types import Json, JsonObject
from finetuner.providers.ports import JobRequest
from finetuner.providers.vertex import mapping
from finetuner.providers.vertex.failures import rejected

METHODS: Final[Mapping[str, str]] = {
    "supervised": mapping.SUPERVISED,
    "preference": mapping.PREFERENCE,
    "dpo": mapping.PREFERENCE,
}
_INSIDE_SPEC: Final = ("exportLastCheckpointOnly", "evaluationConfig")
_ONLY_PREFERENCE: Final = frozenset({"beta"})
_KNOWN: Final = ("epochs", "learning_rate_multiplier", "adapter_size", "beta")
_LABEL: Final = re.compile(r"[a-z0-9_-]{0,63}")
_LABEL_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,62}")


def job_body(request: JobRequest, model: JsonObject) -> JsonObject:
    """The body of a request for a job. Vertex AI takes no seed: it is left out, and the snapshot shows none.

    Args:
        request: What is wanted. `extra` may hold any other field of a TuningJob in camel case, and
            `exportLastCheckpointOnly` and `evaluationConfig` of its specification.
        model: `baseModel` or `preTunedModel`.

    Raises:
        RequestRejectedError: Vertex AI has no such method, hyperparameter or label, or the data isn't in Cloud Storage.
    """
    kind = METHODS.get(request.method)
    if kind is None:
        known = ", ".join(METHODS)
        raise rejected(f"Vertex AI doesn't tune by {request.method!r}; it takes {known}", code="invalid_method")
    extra = dict(request.extra)
    spec: JsonObject = {"trainingDatasetUri": _stored(request.training_file, "training")}
    if request.validation_file is not None:
        spec["validationDatasetUri"] = _stored(request.validation_file, "validation")
    hyperparameters = _hyperparameters(request.hyperparameters, kind)
    if hyperparameters:
        spec["hyperParameters"] = hyperparameters
    spec |= {name: extra.pop(name) for name in _INSIDE_SPEC if name in extra}
    body = model | {mapping.SPECS[kind]: spec}
    if request.suffix is not None:
        body["tunedModelDisplayName"] = request.suffix
    labels = _labels(request, kind)
    if labels:
        body["labels"] = labels
    return body | extra


def label(key: str) -> str:
    """A key as a label holds it: lower case, what isn't allowed replaced, 63 characters at most."""
    return re.sub(r"[^a-z0-9_-]", "_", key.lower())[:63]


def _stored(uri: str, role: str) -> str:
    if not uri.startswith("gs://"):
        message = f"the {role} data of Vertex AI lies in Cloud Storage (gs://…), not at {uri!r}; upload it first"
        raise rejected(message, code="invalid_file")
    return uri


def _hyperparameters(given: Mapping[str, Json], kind: str) -> JsonObject:
    unknown = [name for name, value in given.items() if value is not None and name not in _KNOWN]
    if kind != mapping.PREFERENCE:
        unknown += [name for name in given if name in _ONLY_PREFERENCE]
    if unknown:
        takes = ", ".join(name for name in _KNOWN if kind == mapping.PREFERENCE or name not in _ONLY_PREFERENCE)
        message = f"Vertex AI has no hyperparameter {', '.join(unknown)} for {kind} tuning; it takes {takes}"
        raise rejected(message, code="invalid_hyperparameter")
    for name, value in given.items():
        # Zero would be left out on the wire, and Vertex AI would choose by itself.
        if isinstance(value, int | float) and value <= 0:
            raise rejected(f"{name} must be above 0, not {value!r}", code="invalid_hyperparameter")
    try:
        return dict(mapping.their_hyperparameters(given))
    except ValueError as error:
        raise rejected(str(error), code="invalid_hyperparameter") from error


def _labels(request: JobRequest, kind: str) -> dict[str, str]:
    for name, value in request.metadata.items():
        if not _LABEL_NAME.fullmatch(name) or not _LABEL.fullmatch(value):
            message = (
                f"{name}={value!r} can't be a label of Vertex AI: lower-case letters, digits, _ and -, at most 63 of "
                "each, the name starting with a letter"
            )
            raise rejected(message, code="invalid_metadata")
    labels = dict(request.metadata)
    if request.key:
        labels[mapping.KEY] = label(request.key)
    if kind != mapping.SUPERVISED:
        labels[mapping.METHOD] = kind
    return labels
