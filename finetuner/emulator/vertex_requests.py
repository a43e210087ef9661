"""What Vertex AI takes: bodies checked field by field, and refused in its words.

Keys may be in camel or in snake case, enumerations names or numbers, whole numbers texts or numbers, as in protobuf's
JSON. What comes out is in camel case, with names and numbers.

Source: the messages of `google-cloud-aiplatform` 2.7.0 and `google-genai` 2.34.0 (2026-11).
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Final

from finetuner._core.types import Json, JsonObject
from finetuner.data.shapes import is_list, is_object
from finetuner.emulator.routing import RefusedError

Check = Callable[[Json, str], Json]
"""Takes a value and its path, gives the value to keep, or raises `RefusedError`."""

_LONGEST_NAME: Final = 128
_MOST_LABELS: Final = 64
_LABEL: Final = re.compile(r"[\w-]{0,63}")
_LABEL_NAME: Final = re.compile(r"[^\W\d_A-Z][\w-]{0,62}")
_URI: Final = re.compile(r"gs://[a-z0-9][a-z0-9._-]+/.+")
_WORD_START: Final = re.compile(r"_([a-z0-9])")
ADAPTER_SIZES: Final[Mapping[str, int]] = {
    "ADAPTER_SIZE_ONE": 1,
    "ADAPTER_SIZE_FOUR": 4,
    "ADAPTER_SIZE_EIGHT": 8,
    "ADAPTER_SIZE_SIXTEEN": 16,
    "ADAPTER_SIZE_THIRTY_TWO": 32,
    "ADAPTER_SIZE_TWO": 2,
}
"""Name and size, in the order of the names' numbers in JSON, from 1."""

_ADAPTER_NAMES: Final = tuple(ADAPTER_SIZES)


def tuning_job(body: JsonObject, *, beta: bool) -> JsonObject:
    """A new tuning job. Raises `RefusedError`.

    Args:
        body: As sent.
        beta: Whether it came to v1beta1, which knows preference tuning.
    """
    fields = _JOB | ({"preferenceOptimizationSpec": _message(_PREFERENCE)} if beta else {})
    job: JsonObject = _message(fields)(body, "tuning_job")
    sources = [name for name in ("baseModel", "preTunedModel") if name in job]
    specs = [name for name in job if name.endswith("Spec") and name != "encryptionSpec"]
    if len(sources) != 1:
        raise bad("Exactly one of base_model and pre_tuned_model must be set.")
    if len(specs) != 1:
        raise bad("Exactly one tuning spec must be set.")
    if "trainingDatasetUri" not in job[specs[0]]:
        raise bad(f"{_snake(specs[0])}.training_dataset_uri is required.")
    return job


def batch(body: JsonObject) -> JsonObject:
    """A new batch prediction. Raises `RefusedError`."""
    asked: JsonObject = _message(_BATCH)(body, "batch_prediction_job")
    sources = asked.get("inputConfig", {}).get("gcsSource", {}).get("uris")
    target = asked.get("outputConfig", {}).get("gcsDestination", {}).get("outputUriPrefix")
    if not asked.get("displayName") or not asked.get("model"):
        raise bad("display_name and model are required.")
    if not is_list(sources) or not sources or not target:
        raise bad("input_config.gcs_source.uris and output_config.gcs_destination.output_uri_prefix are required.")
    if {asked["inputConfig"].get("instancesFormat"), asked["outputConfig"].get("predictionsFormat")} != {"jsonl"}:
        raise bad("instances_format and predictions_format must be jsonl.")
    for uri in (*sources, target):
        _uri(uri, "uri")
    return asked


def generation(body: JsonObject) -> JsonObject:
    """A question to a model. Raises `RefusedError`."""
    asked: JsonObject = _message(_GENERATION)(body, "")
    if not is_list(asked.get("contents")) or not asked["contents"]:
        raise bad("contents is required.")
    return asked


def camel(name: str) -> str:
    """A name in camel case."""
    return _WORD_START.sub(lambda found: found[1].upper(), name)


def bad(message: str) -> RefusedError:
    """An argument that can't be right."""
    return RefusedError(400, message, code="INVALID_ARGUMENT")


# -- kinds of values -------------------------------------------------------------------------------------------------


def _message(fields: Mapping[str, Check]) -> Check:
    def check(value: Json, path: str) -> Json:
        if not is_object(value):
            raise _invalid(path, value)
        found: JsonObject = {}
        for name, inner in value.items():
            known = camel(name)
            if known not in fields:
                at = f" at '{path}'" if path else ""
                raise bad(f'Invalid JSON payload received. Unknown name "{name}"{at}: Cannot find field.')
            if inner is not None:
                found[known] = fields[known](inner, f"{path}.{_snake(known)}" if path else _snake(known))
        return found

    return check


def _text(value: Json, path: str) -> Json:
    if not isinstance(value, str):
        raise _invalid(path, value)
    return value


def _display_name(value: Json, path: str) -> Json:
    if len(_text(value, path)) > _LONGEST_NAME:
        raise bad(f"{path} must be at most {_LONGEST_NAME} characters.")
    return value


def _uri(value: Json, path: str) -> Json:
    if not _URI.fullmatch(_text(value, path)):
        raise bad(f"{path} must be a Cloud Storage URI, gs://bucket/object.")
    return value


def _count(value: Json, path: str) -> Json:
    if isinstance(value, bool) or not re.fullmatch(r"-?\d{1,18}", str(value)):
        raise _invalid(path, value)
    if int(value) < 1:
        raise bad(f"{path} must be positive.")
    return int(value)


def _positive(value: Json, path: str) -> Json:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _invalid(path, value)
    if value <= 0:
        raise bad(f"{path} must be positive.")
    return float(value)


def _adapter(value: Json, path: str) -> Json:
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= len(_ADAPTER_NAMES):
        return _ADAPTER_NAMES[value - 1]
    if value not in _ADAPTER_NAMES:
        raise _invalid(path, value)
    return value


def _flag(value: Json, path: str) -> Json:
    if not isinstance(value, bool):
        raise _invalid(path, value)
    return value


def _labels(value: Json, path: str) -> Json:
    if not is_object(value):
        raise _invalid(path, value)
    if len(value) > _MOST_LABELS:
        raise bad(f"{path} can have at most {_MOST_LABELS} entries.")
    for name, text in value.items():
        lower = isinstance(text, str) and text == text.lower()
        if not lower or not _LABEL.fullmatch(text) or not _LABEL_NAME.fullmatch(name):
            raise bad(f"{path}: '{name}: {text}' is not a valid label.")
    return value


def _any(value: Json, path: str) -> Json:
    del path
    return value


def _invalid(path: str, value: Json) -> RefusedError:
    return bad(f"Invalid value at '{path}': {value!r}")


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", name)


_SUPERVISED_NUMBERS: Final[Mapping[str, Check]] = {
    "epochCount": _count,
    "learningRateMultiplier": _positive,
    "adapterSize": _adapter,
}
_SUPERVISED: Final[Mapping[str, Check]] = {
    "trainingDatasetUri": _uri,
    "validationDatasetUri": _uri,
    "hyperParameters": _message(_SUPERVISED_NUMBERS),
    "exportLastCheckpointOnly": _flag,
    "evaluationConfig": _any,
}
_PREFERENCE: Final[Mapping[str, Check]] = {
    **_SUPERVISED,
    "hyperParameters": _message({**_SUPERVISED_NUMBERS, "beta": _positive}),
}
_JOB: Final[dict[str, Check]] = {
    "baseModel": _text,
    "preTunedModel": _message({"tunedModelName": _text, "checkpointId": _text}),
    "supervisedTuningSpec": _message(_SUPERVISED),
    "tunedModelDisplayName": _display_name,
    "description": _text,
    "labels": _labels,
    "encryptionSpec": _message({"kmsKeyName": _text}),
    "serviceAccount": _text,
}
_GENERATION: Final[Mapping[str, Check]] = {
    "model": _text,
    "contents": _any,
    "systemInstruction": _any,
    "tools": _any,
    "toolConfig": _any,
    "safetySettings": _any,
    "labels": _labels,
    "cachedContent": _text,
    "generationConfig": _message(
        {
            "temperature": _any,
            "topP": _any,
            "topK": _any,
            "candidateCount": _count,
            "maxOutputTokens": _count,
            "stopSequences": _any,
            "seed": _any,
            "responseMimeType": _text,
            "responseSchema": _any,
            "responseJsonSchema": _any,
            "responseLogprobs": _flag,
            "logprobs": _count,
            "presencePenalty": _any,
            "frequencyPenalty": _any,
            "thinkingConfig": _any,
        }
    ),
}
_BATCH: Final[Mapping[str, Check]] = {
    "displayName": _display_name,
    "model": _text,
    "inputConfig": _message({"instancesFormat": _text, "gcsSource": _message({"uris": _any})}),
    "outputConfig": _message({"predictionsFormat": _text, "gcsDestination": _message({"outputUriPrefix": _text})}),
    "labels": _labels,
    "serviceAccount": _text,
    "encryptionSpec": _message({"kmsKeyName": _text}),
}
