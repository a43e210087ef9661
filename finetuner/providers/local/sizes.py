"""How big an embedded model is: the numbers of a `[models.options]` table in the catalog."""

from collections.abc import Mapping

import attrs
import cattrs

from finetuner.errors import UsageError


@attrs.frozen(kw_only=True)
class FeatureConfig:
    """What the model sees of a text.

    Attributes:
        buckets: Number of hash buckets that n-grams fall into. Only buckets seen in training are stored.
        word_ngrams: Longest run of words that is one feature: 1, 2 or 3.
        char_min: Shortest run of characters inside a word that is one feature.
        char_max: Longest such run.
        stems: Whether words without their inflection (`transfers`, `transferring`) are features too.
        min_count: In how many training texts a feature must occur to be kept. Small training sets keep all.
    """

    buckets: int = attrs.field(default=1 << 22, validator=(attrs.validators.ge(1 << 10), attrs.validators.le(1 << 31)))
    word_ngrams: int = attrs.field(default=3, validator=(attrs.validators.ge(1), attrs.validators.le(3)))
    char_min: int = attrs.field(default=3, validator=attrs.validators.ge(1))
    char_max: int = attrs.field(default=5, validator=attrs.validators.le(12))
    stems: bool = True
    min_count: int = attrs.field(default=1, validator=attrs.validators.ge(1))

    def __attrs_post_init__(self) -> None:
        if self.char_min > self.char_max:
            raise ValueError(f"char_min {self.char_min} is above char_max {self.char_max}")


@attrs.frozen(kw_only=True)
class ModelSize:
    """A base model: its features, its width, and how fast it learns.

    Attributes:
        features: What it sees of a text.
        hidden: Units of the hidden layer.
        learning_rate: Length of a row's first step, before the multiplier of the job.
        dropout: Share of a text's features that a training step hides.
    """

    features: FeatureConfig = attrs.field(factory=FeatureConfig)
    hidden: int = attrs.field(default=128, validator=(attrs.validators.ge(1), attrs.validators.le(4096)))
    learning_rate: float = attrs.field(default=0.05, validator=attrs.validators.gt(0))
    dropout: float = attrs.field(default=0.4, validator=(attrs.validators.ge(0), attrs.validators.lt(1)))


def size_from(options: Mapping[str, object]) -> ModelSize:
    """The size that a flat table describes; keys that are left out keep their defaults.

    Args:
        options: The keys of `FeatureConfig` and `ModelSize`, as in the catalog's `[models.options]`.

    Raises:
        UsageError: For an unknown key or a value out of range.
    """
    feature_keys = {field.name for field in attrs.fields(FeatureConfig)}
    nested: dict[str, object] = {key: value for key, value in options.items() if key not in feature_keys}
    nested["features"] = {key: value for key, value in options.items() if key in feature_keys}
    try:
        return cattrs.Converter(forbid_extra_keys=True, detailed_validation=False).structure(nested, ModelSize)
    except (ValueError, TypeError, cattrs.ForbiddenExtraKeysError) as error:
        raise UsageError(
            f"the size of a local model isn't usable: {error}. Look at [models.options] in the catalog"
        ) from error


def size_options(size: ModelSize) -> dict[str, int | float | bool]:
    """The flat table that `size_from` reads."""
    nested = attrs.asdict(size)
    features = nested.pop("features")
    return {**features, **nested}


def automatic_batch_size(n_examples: int) -> int:
    """Examples per step: 32 on large sets, fewer on small ones so that an epoch has some 16 steps."""
    return max(1, min(32, n_examples // 16))


def automatic_epochs(n_examples: int) -> int:
    """Passes over the data: 8 on thousands of examples, up to 15 on a handful."""
    few, many = 500, 5_000
    return 15 if n_examples < few else 10 if n_examples < many else 8
