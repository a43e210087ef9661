"""OpenTelemetry's GenAI names in one table, switchable: `1.41` is frozen, `next` is what its successor has so far.

Sources: semantic-conventions 1.41, as opentelemetry-util-genai 1.3b0 (2026-10-23) emits it; semantic-conventions-genai,
unreleased (2026). Names of our own begin with `finetuner.`.
"""

from typing import Final, Literal

import attrs

from finetuner.errors import UnknownNameError

ConventionName = Literal["1.41", "next"]

DURATION_BUCKETS: Final = tuple(0.01 * 2**power for power in range(14))
"""Seconds."""

TOKEN_BUCKETS: Final = tuple(float(4**power) for power in range(14))
"""Tokens."""


@attrs.frozen(kw_only=True)
class Convention:
    """Names of metrics and attributes.

    Attributes:
        version: `1.41` or `next`.
        duration: Histogram of a call's seconds.
        first_token: Histogram of the seconds to the first piece; None where there is none.
        tokens: One histogram of tokens, told apart by `token_type`; None where each kind has its own.
        input_tokens: Histogram of prompt tokens; None where `tokens` holds them.
        output_tokens: Histogram of completion tokens; likewise.
        cached_tokens: Counter of prompt tokens from a cache; None where there is none.
    """

    version: ConventionName
    duration: str
    first_token: str | None
    tokens: str | None
    input_tokens: str | None
    output_tokens: str | None
    cached_tokens: str | None
    operation: str = "gen_ai.operation.name"
    provider: str = "gen_ai.provider.name"
    request_model: str = "gen_ai.request.model"
    token_type: str = "gen_ai.token.type"  # noqa: S105  # a name in a convention, no secret
    error_type: str = "error.type"
    usage_input: str = "gen_ai.usage.input_tokens"
    usage_output: str = "gen_ai.usage.output_tokens"
    usage_cached: str = "gen_ai.usage.cache_read.input_tokens"
    finish_reasons: str = "gen_ai.response.finish_reasons"
    conversation: str = "gen_ai.conversation.id"
    evaluation: str = "gen_ai.evaluation.result"
    evaluation_name: str = "gen_ai.evaluation.name"
    evaluation_score: str = "gen_ai.evaluation.score.value"


ROLLOUT: Final = "finetuner.rollout"
ARM: Final = "finetuner.arm"
SERVED: Final = "finetuner.served"
STAGE: Final = "finetuner.stage"
SHADOW: Final = "finetuner.shadow"
REQUEST: Final = "finetuner.request.id"

_CONVENTIONS: Final = (
    Convention(
        version="1.41",
        duration="gen_ai.client.operation.duration",
        first_token="gen_ai.client.operation.time_to_first_chunk",  # noqa: S106  # likewise
        tokens="gen_ai.client.token.usage",
        input_tokens=None,
        output_tokens=None,
        cached_tokens=None,
    ),
    Convention(
        version="next",
        duration="gen_ai.client.inference.duration",
        first_token=None,
        tokens=None,
        input_tokens="gen_ai.client.inference.operation.input_tokens",
        output_tokens="gen_ai.client.inference.operation.output_tokens",
        cached_tokens="gen_ai.client.inference.usage.cache_read.input_tokens",
    ),
)


def convention(version: str) -> Convention:
    """The names of a version.

    Raises:
        UnknownNameError: There is none; the message lists the known ones.
    """
    for found in _CONVENTIONS:
        if found.version == version:
            return found
    known = ", ".join(each.version for each in _CONVENTIONS)
    raise UnknownNameError(f"no GenAI names of version {version!r}; known: {known}")
