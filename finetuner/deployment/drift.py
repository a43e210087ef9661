"""Whether requests and answers still look like those that the model was made for.

Each feature is binned by the reference and held to the alarm rule of `divergence`: too unlikely by chance, and large
enough to matter. Too few values is a state of its own, never "no drift".
"""

import math
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import TypedDict

import attrs
import cattrs

from finetuner._core import codec
from finetuner._core.types import JsonObject
from finetuner.data.examples import Example
from finetuner.deployment.divergence import DriftState, bin_counts, drift_check, quantile_edges
from finetuner.deployment.observations import Observation

FEWEST = 100
"""Values on either side below which nothing is said."""

_NUMBERS: Mapping[str, tuple[float, ...]] = MappingProxyType({})
_WORDS: Mapping[str, tuple[str, ...]] = MappingProxyType({})
_MOST_CATEGORIES = 20
_OTHER = "(other)"
_CLOSED_SHARE = 0.2
_LETTERS_LOOKED_AT = 50


@attrs.frozen(kw_only=True)
class Traffic:
    """Features of requests and their answers.

    Attributes:
        numbers: Feature to its values.
        words: Feature to its categories, one for each request.
    """

    numbers: Mapping[str, tuple[float, ...]] = _NUMBERS
    words: Mapping[str, tuple[str, ...]] = _WORDS

    @classmethod
    def of_examples(cls, examples: Iterable[Example]) -> "Traffic":
        """Lengths, writing system, and the label where answers are labels."""
        seen = list(examples)
        return cls(**_texts([(example.user_text, example.label) for example in seen]))

    @classmethod
    def of_events(cls, events: Iterable[Observation]) -> "Traffic":
        """Latency, tokens, cost, errors, finish reasons and feedback of what was served; texts where they were kept."""
        seen = list(events)
        served = [event for event in seen if event.kind == "exposure"]
        mine = {event.request_id for event in served}
        liked = {event.request_id: event.quality for event in seen if event.kind == "feedback"}
        kept = [(_asked(event.prompt), event.answer) for event in served if event.prompt is not None]
        texts = _texts([(asked, answer) for asked, answer in kept if answer is not None])
        numbers = {
            "latency": tuple(event.latency for event in served if event.error is None),
            "cost_usd": _known(event.cost_usd for event in served),
            "prompt_tokens": _known(event.prompt_tokens for event in served),
            "completion_tokens": _known(event.completion_tokens for event in served),
            "quality": tuple(score for request, score in liked.items() if request in mine and score is not None),
        }
        words = {
            "error": tuple(event.error or "none" for event in served),
            "finish_reason": tuple(event.finish_reason for event in served if event.finish_reason is not None),
        }
        return cls(numbers=numbers | dict(texts["numbers"]), words=words | dict(texts["words"]))


@attrs.frozen(kw_only=True)
class FeatureDrift:
    """What is said of one feature.

    Attributes:
        name: The feature.
        state: `drift`, `no_drift`, or `insufficient_data`, which is neither.
        psi: Population stability index; None without any value on a side.
        threshold: What the index has to reach.
        p_value: Of the homogeneity test.
        n: Recent values.
        reference_n: Reference values.
        moved: The bin whose share changed most, with both shares; empty where nothing drifted.
    """

    name: str
    state: DriftState
    psi: float | None
    threshold: float | None
    p_value: float | None
    n: int
    reference_n: int
    moved: str

    def __str__(self) -> str:
        """One line for people."""
        if self.psi is None or self.threshold is None:
            return f"{self.name}: insufficient data (n={self.n}, reference {self.reference_n}; {FEWEST} needed)"
        numbers = f"PSI {self.psi:.3f} (alarm at {self.threshold:.3f}), p = {self.p_value:.2g}, n={self.n}"
        what = {"drift": "DRIFT", "no_drift": "no drift", "insufficient_data": "insufficient data"}[self.state]
        return f"{self.name}: {what}, {numbers}{f'; {self.moved}' if self.moved else ''}"


@attrs.frozen
class DriftReport:
    """What is said of all features.

    Attributes:
        features: In alphabetical order.
    """

    features: tuple[FeatureDrift, ...]

    @property
    def state(self) -> DriftState:
        """`drift` where one feature drifted; `insufficient_data` where none could be told; else `no_drift`."""
        states = {feature.state for feature in self.features}
        if "drift" in states:
            return "drift"
        return "no_drift" if "no_drift" in states else "insufficient_data"

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of the features that drifted."""
        return tuple(feature.name for feature in self.features if feature.state == "drift")

    def __str__(self) -> str:
        """One line for each feature, and the state."""
        return "\n".join([*map(str, self.features), f"state: {self.state.replace('_', ' ')}"])


def compare(recent: Traffic, reference: Traffic) -> DriftReport:
    """Whether recent traffic drifted away from a reference, on the features that both have.

    Args:
        recent: What is looked at.
        reference: What it is held against; decides the bins.
    """
    numbers = sorted(set(recent.numbers) & set(reference.numbers))
    words = sorted(set(recent.words) & set(reference.words))
    binned = [
        *((name, _number_bins(recent.numbers[name], reference.numbers[name])) for name in numbers),
        *((name, _word_bins(recent.words[name], reference.words[name])) for name in words),
    ]
    told = [_feature(name, bins, features=len(binned)) for name, bins in binned]
    return DriftReport(tuple(sorted(told, key=lambda feature: feature.name)))


def script(text: str) -> str:
    """The writing system of most letters of a text, such as `LATIN` or `CJK`; `none` without letters."""
    letters = [letter for letter in text if letter.isalpha()][:_LETTERS_LOOKED_AT]
    names = Counter(unicodedata.name(letter, "UNKNOWN").partition(" ")[0] for letter in letters)
    return names.most_common(1)[0][0] if names else "none"


class _Features(TypedDict):
    """The arguments of `Traffic`."""

    numbers: Mapping[str, tuple[float, ...]]
    words: Mapping[str, tuple[str, ...]]


def _texts(pairs: Sequence[tuple[str, str]]) -> _Features:
    """Lengths, writing system, and the label where answers are labels."""
    answers = tuple(answer for _, answer in pairs)
    words = {"script": tuple(script(asked) for asked, _ in pairs)}
    if answers and len(set(answers)) <= max(2, _CLOSED_SHARE * len(answers)):
        words["label"] = answers
    numbers = {
        "prompt_characters": tuple(float(len(asked)) for asked, _ in pairs),
        "answer_characters": tuple(float(len(answer)) for answer in answers),
    }
    return _Features(numbers=numbers, words=words)


def _asked(prompt: str) -> str:
    """What the user wrote: a kept prompt is a text, or messages as JSON."""
    if not prompt.startswith("["):
        return prompt
    try:
        messages = codec.from_json(prompt, list[JsonObject])
    except (ValueError, cattrs.BaseValidationError):
        return prompt
    return "\n".join(f"{message.get('content', '')}" for message in messages if message.get("role") == "user")


def _known(values: Iterable[float | None]) -> tuple[float, ...]:
    return tuple(float(value) for value in values if value is not None)


@attrs.frozen
class _Bins:
    """Counts of both sides over the same bins."""

    names: tuple[str, ...]
    recent: tuple[int, ...]
    reference: tuple[int, ...]


def _number_bins(recent: Sequence[float], reference: Sequence[float]) -> _Bins:
    if not recent or not reference:
        return _Bins(("all",), (len(recent),), (len(reference),))
    edges = quantile_edges(reference, sample_size=len(recent))
    if not edges:  # (nearly) constant: what matters is whether it still has this value
        usual = max(reference)
        return _word_bins(_sides(recent, usual), _sides(reference, usual))
    ends = (-math.inf, *edges, math.inf)
    names = tuple(f"{low:.4g} to {high:.4g}" for low, high in pairwise(ends))
    return _Bins(names, bin_counts(recent, edges), bin_counts(reference, edges))


def _sides(values: Iterable[float], usual: float) -> list[str]:
    return [f"{usual:.4g}" if value == usual else "another value" for value in values]


def _word_bins(recent: Sequence[str], reference: Sequence[str]) -> _Bins:
    known = [name for name, _ in Counter(reference).most_common(_MOST_CATEGORIES)]
    return _Bins((*known, _OTHER), _counts(recent, known), _counts(reference, known))


def _counts(values: Sequence[str], known: Sequence[str]) -> tuple[int, ...]:
    found = Counter(values)
    counted = [found[name] for name in known]
    return (*counted, len(values) - sum(counted))


def _feature(name: str, bins: _Bins, *, features: int) -> FeatureDrift:
    n, m = sum(bins.recent), sum(bins.reference)
    if not n or not m:
        return FeatureDrift(
            name=name,
            state="insufficient_data",
            psi=None,
            threshold=None,
            p_value=None,
            n=n,
            reference_n=m,
            moved="",
        )
    check = drift_check(bins.recent, bins.reference, features=features)
    return FeatureDrift(
        name=name,
        state=check.state,
        psi=check.psi,
        threshold=check.threshold,
        p_value=check.p_value,
        n=n,
        reference_n=m,
        moved=_moved(bins, n, m) if check.state == "drift" else "",
    )


def _moved(bins: _Bins, n: int, m: int) -> str:
    def change(place: tuple[str, int, int]) -> float:
        return abs(place[1] / n - place[2] / m)

    name, recent, reference = max(_places(bins), key=change)
    return f"{name}: {reference / m:.0%} before, {recent / n:.0%} now"


def _places(bins: _Bins) -> Iterator[tuple[str, int, int]]:
    yield from zip(bins.names, bins.recent, bins.reference, strict=True)
