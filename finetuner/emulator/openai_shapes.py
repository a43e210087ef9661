"""What OpenAI's requests may hold: facts, no code.

Source: OpenAI's API reference (2026-06) and OpenAPI document (2026-08-21).
"""

from collections.abc import Mapping
from typing import Final

from finetuner._core.types import JsonObject
from finetuner.emulator.checking import (
    Check,
    anything,
    auto,
    either,
    flag,
    items,
    mapping,
    number,
    pairs,
    table,
    tagged,
    text,
)

PURPOSES: Final = ("assistants", "batch", "fine-tune", "vision", "user_data", "evals")
CHAT: Final = "/v1/chat/completions"
_LARGEST_SEED: Final = 2**31 - 1
_LARGEST: Final = 2**63 - 1

EXPIRY: Final = table({"anchor": text(choices=("created_at",)), "seconds": number(3_600, 2_592_000, whole=True)})
"""When a file is removed: seconds after it was made."""

UPLOAD: Final = table(
    {
        "filename": text(1),
        "purpose": text(choices=PURPOSES),
        "bytes": number(0, 8 * 1024**3, whole=True),
        "mime_type": text(1),
    },
    {"expires_after": EXPIRY},
)
COMPLETE_UPLOAD: Final = table({"part_ids": items(text(1))}, {"md5": text()})

# -- jobs ------------------------------------------------------------------------------------------------------------

_HYPERPARAMETERS: Final[Mapping[str, Check]] = {
    "batch_size": auto(number(1, 256, whole=True)),
    "learning_rate_multiplier": auto(number(above=0)),
    "n_epochs": auto(number(1, 50, whole=True)),
}
_DPO: Final[Mapping[str, Check]] = {**_HYPERPARAMETERS, "beta": auto(number(above=0, high=2))}
_REINFORCEMENT: Final[Mapping[str, Check]] = {
    **_HYPERPARAMETERS,
    "reasoning_effort": text(choices=("default", "low", "medium", "high")),
    "compute_multiplier": auto(number(above=1e-5, high=10)),
    "eval_interval": auto(number(1, whole=True)),
    "eval_samples": auto(number(1, whole=True)),
}
_TYPE: Final[Mapping[str, Check]] = {"type": text()}
_METRICS: Final = (
    *("cosine", "fuzzy_match", "bleu", "gleu", "meteor"),
    *(f"rouge_{n}" for n in ("1", "2", "3", "4", "5", "l")),
)
_SIMPLE_GRADERS: Final[Mapping[str, Check]] = {
    "string_check": table(
        {
            **_TYPE,
            "name": text(),
            "input": text(),
            "reference": text(),
            "operation": text(choices=("eq", "ne", "like", "ilike")),
        }
    ),
    "text_similarity": table(
        {
            **_TYPE,
            "name": text(),
            "input": text(),
            "reference": text(),
            "evaluation_metric": text(choices=_METRICS),
        },
        {"pass_threshold": number()},
    ),
    "python": table({**_TYPE, "name": text(), "source": text()}, {"image_tag": text()}),
    "score_model": table(
        {**_TYPE, "name": text(), "model": text(), "input": items(mapping)},
        {"range": items(number(), 2, 2), "sampling_params": mapping, "pass_threshold": number()},
    ),
}
GRADER: Final = tagged(
    {
        **_SIMPLE_GRADERS,
        # The document says one grader, the guide and its examples graders by name.
        "multi": table({**_TYPE, "name": text(), "graders": mapping, "calculate_output": text()}),
    }
)
SIMPLE_GRADER: Final = tagged(_SIMPLE_GRADERS)


def _method(name: str, inner: Check, *, required: bool = False) -> Check:
    fields = {name: inner}
    return table({**_TYPE, **fields}) if required else table(_TYPE, fields)


METHOD: Final = tagged(
    {
        "supervised": _method("supervised", table({}, {"hyperparameters": table({}, _HYPERPARAMETERS)})),
        "dpo": _method("dpo", table({}, {"hyperparameters": table({}, _DPO)})),
        "reinforcement": _method(
            "reinforcement",
            table({"grader": GRADER}, {"hyperparameters": table({}, _REINFORCEMENT), "response_format": mapping}),
            required=True,
        ),
    }
)
_WANDB: Final = table({"project": text()}, {"name": text(), "entity": text(), "tags": items(text())})

JOB: Final = table(
    {"model": text(1), "training_file": text(1)},
    {
        "hyperparameters": table({}, _HYPERPARAMETERS),
        "suffix": text(1, 64),
        "validation_file": text(1),
        "integrations": items(table({"type": text(choices=("wandb",)), "wandb": _WANDB}), most=5),
        "seed": number(0, _LARGEST_SEED, whole=True),
        "method": METHOD,
        "metadata": pairs(),
    },
)


def needs(body: JsonObject, name: str) -> None:
    """Nothing, where a field that a method requires is there. Raises `RefusedError`."""
    table({name: anything}, open=True)(body, "")


PERMISSIONS: Final = table({"project_ids": items(text(1), 1)})
RUN_GRADER: Final = table({"grader": GRADER, "model_sample": text()}, {"item": mapping})
VALIDATE_GRADER: Final = table({"grader": GRADER})

# -- batches ---------------------------------------------------------------------------------------------------------

BATCH: Final = table(
    {
        "input_file_id": text(1),
        "endpoint": text(
            choices=(
                "/v1/responses",
                CHAT,
                "/v1/embeddings",
                "/v1/completions",
                "/v1/moderations",
                "/v1/images/generations",
                "/v1/images/edits",
                "/v1/videos",
            )
        ),
        "completion_window": text(choices=("24h",)),
    },
    {"metadata": pairs(), "output_expires_after": EXPIRY},
)
BATCH_LINE: Final = table(
    {"custom_id": text(1), "method": text(choices=("POST",)), "url": text(choices=(CHAT,)), "body": mapping}
)

# -- chat ------------------------------------------------------------------------------------------------------------

_FUNCTION: Final = table({"name": text(1, 64)}, {"description": text(), "parameters": mapping, "strict": flag})
_NAMED: Final = table({"type": text(choices=("function",)), "function": table({"name": text(1)})})
_RESPONSE_FORMAT: Final = tagged(
    {
        "text": table(_TYPE),
        "json_object": table(_TYPE),
        "json_schema": table(
            {
                **_TYPE,
                "json_schema": table({"name": text(1, 64)}, {"description": text(), "schema": mapping, "strict": flag}),
            }
        ),
    }
)
_OPTIONAL_TEXT: Final[Mapping[str, Check]] = {"content": either(text(), items(mapping, 1)), "name": text()}
_TOOL_CALL: Final = table(
    {"id": text(1), "type": text(choices=("function",)), "function": table({"name": text(1), "arguments": text()})}
)
_SPOKEN: Final = table({"role": text(), "content": either(text(), items(mapping, 1))}, {"name": text()})
MESSAGE: Final = tagged(
    {
        "system": _SPOKEN,
        "developer": _SPOKEN,
        "user": _SPOKEN,
        "assistant": table(
            {"role": text()},
            {
                **_OPTIONAL_TEXT,
                "refusal": text(),
                "tool_calls": items(_TOOL_CALL, 1),
                "function_call": mapping,
                "audio": mapping,
            },
        ),
        "tool": table({"role": text(), "tool_call_id": text(1), "content": either(text(), items(mapping, 1))}),
        "function": table({"role": text(), "name": text(1)}, {"content": text()}),
    },
    by="role",
)

COMPLETION: Final = table(
    {"model": text(1), "messages": items(MESSAGE, 1)},
    {
        "temperature": number(0, 2),
        "top_p": number(0, 1),
        "n": number(1, 128, whole=True),
        "stop": either(text(), items(text(), 1, 4)),
        "max_tokens": number(1, whole=True),
        "max_completion_tokens": number(1, whole=True),
        "frequency_penalty": number(-2, 2),
        "presence_penalty": number(-2, 2),
        "logit_bias": mapping,
        "logprobs": flag,
        "top_logprobs": number(0, 20, whole=True),
        "seed": number(-_LARGEST, _LARGEST, whole=True),
        "tools": items(table({"type": text(choices=("function",)), "function": _FUNCTION}), most=128),
        "tool_choice": either(text(choices=("none", "auto", "required")), _NAMED),
        "parallel_tool_calls": flag,
        "response_format": _RESPONSE_FORMAT,
        "stream": flag,
        "stream_options": table({}, {"include_usage": flag, "include_obfuscation": flag}),
        "user": text(),
        "safety_identifier": text(0, 64),
        "prompt_cache_key": text(),
        "prompt_cache_retention": text(choices=("in_memory", "24h")),
        "prompt_cache_options": anything,
        "metadata": pairs(),
        "store": flag,
        "service_tier": text(choices=("auto", "default", "flex", "scale", "priority", "fast")),
        "reasoning_effort": text(choices=("none", "minimal", "low", "medium", "high", "xhigh", "max")),
        "verbosity": text(choices=("low", "medium", "high")),
        "modalities": items(text(choices=("text",))),
        "prediction": mapping,
    },
)
