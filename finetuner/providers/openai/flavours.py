"""Services that speak OpenAI's fine-tuning API, and in what they differ: facts, no code.

Sources: OpenAI's API reference (2026-06), Microsoft's fine-tuning guide (2026-03), Nebius Token Factory's and Amazon
Bedrock's fine-tuning guides (2026).
"""

from typing import Final

import attrs

from finetuner.errors import UnknownNameError

_MB: Final = 1_000_000
_GB: Final = 1_000 * _MB


@attrs.frozen(kw_only=True)
class Flavour:
    """One service.

    Attributes:
        name: As in `connect(flavour=…)`, and the name of its catalog file.
        title: For people.
        base_url: Where it is; None is the SDK's own address, or `OPENAI_BASE_URL`.
        address: What a base URL looks like, for services whose address holds a resource or region.
        methods: Ways of training that it takes.
        formats: Wire formats of training files, preferred first.
        suffix: Whether tuned models can be given a name.
        dotted_suffix: Whether that name may hold dots.
        nested_hyperparameters: Whether hyperparameters are inside `method`, rather than at the top as they once were.
        metadata_filter: Whether jobs can be listed by metadata.
        pause: Whether jobs can be paused.
        max_single_bytes: Largest file of one request.
        max_chunked_bytes: Largest file sent in parts; 0 where that isn't possible.
        max_tokens_field: What the longest answer is called.
    """

    name: str
    title: str
    base_url: str | None = None
    address: str = ""
    methods: tuple[str, ...] = ("supervised", "dpo", "reinforcement")
    formats: tuple[str, ...] = ("openai", "openai-preference")
    suffix: bool = True
    dotted_suffix: bool = True
    nested_hyperparameters: bool = True
    metadata_filter: bool = True
    pause: bool = True
    max_single_bytes: int = 512 * _MB
    max_chunked_bytes: int = 8 * _GB
    max_tokens_field: str = "max_completion_tokens"


OPENAI: Final = Flavour(name="openai", title="OpenAI")

AZURE: Final = Flavour(
    name="azure",
    title="Azure OpenAI",
    address="https://RESOURCE.openai.azure.com/openai/v1/",
    dotted_suffix=False,
    metadata_filter=False,
    max_chunked_bytes=0,
)
"""A tuned model has to be deployed in Azure before it answers. `extra={"trainingType": …}` chooses the tier."""

NEBIUS: Final = Flavour(
    name="nebius",
    title="Nebius Token Factory",
    base_url="https://api.tokenfactory.nebius.com/v1/",
    methods=("supervised",),
    formats=("openai",),
    nested_hyperparameters=False,
    metadata_filter=False,
    pause=False,
    max_single_bytes=5 * _GB,
    max_chunked_bytes=0,
    max_tokens_field="max_tokens",
)

BEDROCK: Final = Flavour(
    name="bedrock",
    title="Amazon Bedrock",
    address="https://bedrock-mantle.REGION.api.aws/v1",
    methods=("reinforcement",),
    formats=("openai",),
    suffix=False,
    metadata_filter=False,
    pause=False,
    max_chunked_bytes=0,
    max_tokens_field="max_tokens",
)

_FLAVOURS: Final = (OPENAI, AZURE, NEBIUS, BEDROCK)


def get(name: str) -> Flavour:
    """The flavour of that name.

    Raises:
        UnknownNameError: With the names that are known.
    """
    for flavour in _FLAVOURS:
        if flavour.name == name:
            return flavour
    raise UnknownNameError(f"no flavour {name!r} of OpenAI's API; known: {', '.join(each.name for each in _FLAVOURS)}")
