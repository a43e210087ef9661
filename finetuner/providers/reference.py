"""A model's name with its provider: `provider:model`."""

import attrs

from finetuner.errors import UsageError

_PREFIXES = (
    ("ft:", "openai"),
    ("gpt-", "openai"),
    ("gemini-", "vertex"),
    ("projects/", "vertex"),
)
"""Bare names that say their provider."""


@attrs.frozen
class ModelReference:
    """A provider's name and that provider's id of a model.

    Attributes:
        provider: Such as `openai`.
        model: Such as `ft:gpt-4.1-mini-2025-04-14:acme::a1`.
    """

    provider: str
    model: str

    @classmethod
    def parse(cls, text: "str | ModelReference") -> "ModelReference":
        """The reference that a text means.

        `provider:model` in general; `ft:…` and `gpt-…` alone mean openai, `gemini-…` and `projects/…` vertex.

        Raises:
            UsageError: The text names no provider and none can be told from it.
        """
        if isinstance(text, ModelReference):
            return text
        for prefix, provider in _PREFIXES:
            if text.startswith(prefix):
                return cls(provider, text)
        provider, separator, model = text.partition(":")
        if not separator or not provider or not model:
            raise UsageError(f"{text!r} doesn't say which provider; write provider:model, such as local:NAME")
        return cls(provider, model)

    def __str__(self) -> str:
        """`provider:model`."""
        return f"{self.provider}:{self.model}"


def provider_of_job(job_id: str) -> str | None:
    """The provider that a job id's form tells, or None.

    `projects/…/tuningJobs/…` is vertex, `ftjob-local-…` local, `ftjob-huggingface-…` huggingface, other `ftjob-…`
    openai.
    """
    if job_id.startswith("projects/"):
        return "vertex"
    for own in ("local", "huggingface"):
        if job_id.startswith(f"ftjob-{own}-"):
            return own
    return "openai" if job_id.startswith("ftjob-") else None
