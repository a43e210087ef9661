"""Graders that need no model and no sandbox: comparisons of texts, and mixtures of them.

Source: OpenAI's guide to graders (2026-06).
"""

import difflib
import re
import time
from typing import Final

from finetuner._core import codec
from finetuner._core.types import Json, JsonObject
from finetuner.data.shapes import is_object
from finetuner.emulator.checking import refused

_TEMPLATE: Final = re.compile(r"\{\{\s*(item|sample)\.([\w.]+)\s*\}\}")
_ERRORS: Final[tuple[str, ...]] = (
    "formula_parse_error",
    "sample_parse_error",
    "truncated_observation_error",
    "unresponsive_reward_error",
    "invalid_variable_error",
    "other_error",
    "python_grader_server_error",
    "python_grader_runtime_error",
    "model_grader_server_error",
    "model_grader_refusal_error",
    "model_grader_parse_error",
)
_DETAILS: Final[tuple[str, ...]] = (
    "python_grader_server_error_type",
    "python_grader_runtime_error_details",
    "model_grader_server_error_details",
)


def grade(grader: JsonObject, sample: str, item: JsonObject) -> JsonObject:
    """The result of one grader on one answer. Raises `RefusedError` for graders that can't run here."""
    begun = time.perf_counter()
    reward = _reward(grader, sample, item)
    unknown = [name for name in _names(grader) if _lookup(name, sample, item) is None]
    errors: JsonObject = {**dict.fromkeys(_ERRORS, False), **dict.fromkeys(_DETAILS)}
    return {
        "reward": reward,
        "metadata": {
            "name": grader["name"],
            "type": grader["type"],
            "errors": errors | {"invalid_variable_error": bool(unknown)},
            "execution_time": time.perf_counter() - begun,
            "scores": {},
            "token_usage": None,
            "sampled_model_name": None,
        },
        "sub_rewards": {},
        "model_grader_token_usage_per_model": {},
    }


def _reward(grader: JsonObject, sample: str, item: JsonObject) -> float:
    given, reference = (_rendered(grader.get(side, ""), sample, item) for side in ("input", "reference"))
    match grader["type"], grader.get("operation") or grader.get("evaluation_metric"):
        case "string_check", "eq":
            return float(given == reference)
        case "string_check", "ne":
            return float(given != reference)
        case "string_check", "like":
            return float(reference in given)
        case "string_check", "ilike":
            return float(reference.lower() in given.lower())
        case "text_similarity", "fuzzy_match":
            return difflib.SequenceMatcher(None, given, reference, autojunk=False).ratio()
        case kind, how:
            message = f"The emulator runs string_check, and text_similarity by fuzzy_match; not {kind} {how or ''}"
            raise refused("grader", message.rstrip(), "unsupported_grader")


def _rendered(template: str, sample: str, item: JsonObject) -> str:
    return _TEMPLATE.sub(lambda found: _lookup((found[1], found[2]), sample, item) or "", template)


def _names(grader: JsonObject) -> list[tuple[str, str]]:
    return [(found[1], found[2]) for side in ("input", "reference") for found in _TEMPLATE.finditer(grader[side])]


def _lookup(name: tuple[str, str], sample: str, item: JsonObject) -> str | None:
    if name[0] == "sample":
        return sample if name[1] == "output_text" else None
    value: Json = item
    for step in name[1].split("."):
        value = value.get(step) if is_object(value) else None
    return value if value is None or isinstance(value, str) else codec.encode(value).decode()
