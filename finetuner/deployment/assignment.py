"""Which model a user or conversation gets: a pure function of its id, frozen forever.

The bucket is LaunchDarkly's construction, so that an experiment can move between both without moving anyone.
Source: launchdarkly-server-sdk 9.18.2, evaluator.
"""

import hashlib

from finetuner.errors import UsageError

_LARGEST = float(0xFFFFFFFFFFFFFFF)


def unit_key(unit: object) -> str:
    """The text under which a unit (user or conversation, never a request) is assigned and counted.

    Args:
        unit: A non-empty string, or an integer, which means its decimal digits.

    Returns:
        The text.

    Raises:
        UsageError: For anything else. Floats lose digits, and None or "" would give everybody the same bucket.
    """
    if isinstance(unit, bool) or not isinstance(unit, str | int):
        kind = type(unit).__name__
        raise UsageError(f"a unit of type {kind} cannot be assigned: give the user or conversation id as str or int")
    text = str(unit)
    if not text:
        raise UsageError("the unit is empty: give the user or conversation id, or serve the base model unassigned")
    return text


def text_bucket(text: str) -> float:
    """The bucket of a whole text, 0..1 (1 included): the first 60 bits of its SHA-1 as a share of the largest."""
    digest = hashlib.sha1(text.encode(errors="surrogatepass"), usedforsecurity=False).digest()
    return (int.from_bytes(digest[:8]) >> 4) / _LARGEST


class Dealer:
    """Deals the buckets of one experiment and salt: `bucket`, with what all units share hashed once."""

    __slots__ = ("_prefix",)

    def __init__(self, experiment: str, salt: str) -> None:
        self._prefix = hashlib.sha1(f"{experiment}.{salt}.".encode(), usedforsecurity=False)

    def bucket(self, unit: str) -> float:
        """The bucket of a unit's text, 0..1 (1 included)."""
        digest = self._prefix.copy()
        digest.update(unit.encode(errors="surrogatepass"))
        return (int.from_bytes(digest.digest()[:8]) >> 4) / _LARGEST


def bucket(experiment: str, salt: str, unit: str | int) -> float:
    """The bucket of a unit in an experiment, uniform on 0..1 (1 included).

    Args:
        experiment: Name of the experiment.
        salt: Random text stored with it; a new salt deals everybody anew.
        unit: User or conversation id.

    Returns:
        The bucket.

    Raises:
        UsageError: When the unit is neither a non-empty string nor an integer.
    """
    return text_bucket(f"{experiment}.{salt}.{unit_key(unit)}")


def assigned_tuned(bucket: float, share: float) -> bool:
    """Whether a bucket gets the tuned model at this share; raising the share never takes a unit back.

    Args:
        bucket: From `bucket`.
        share: Of the units that get the tuned model, 0 (nobody) to 1 (everybody).

    Raises:
        UsageError: When the share is outside 0..1.
    """
    if not 0 <= share <= 1:
        raise UsageError(f"share is {share}: give 0 (nobody) to 1 (everybody)")
    # The largest bucket is exactly 1.0, which is not below a share of 1.
    return bucket < share or share == 1
