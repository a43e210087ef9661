"""Splitting without leaks: copies, near copies and groups stay together, and the result proves it."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Generic, TypeVar

import attrs
import numpy as np
from numpy.typing import NDArray

from finetuner._core.hashing import unit_interval
from finetuner.data.duplicates import NEAR, equal_rows
from finetuner.data.examples import Example
from finetuner.data.lineage import fingerprint, record_digest
from finetuner.data.ports import Examples, Rows
from finetuner.data.sampling import strata
from finetuner.data.sketch import clusters, similar_pairs
from finetuner.data.text import normalize, request_texts
from finetuner.errors import UsageError

_LINKED = (
    NEAR - 0.05
)  # similarity shifts a little with what else is in the data, so near copies are kept together earlier

D = TypeVar("D", bound=Examples)

_NAMES = ("train", "val", "test")


@attrs.frozen(kw_only=True)
class Proof:
    """What was checked after a split.

    Attributes:
        counts: Examples of train, val and test.
        labels: How many different labels each part has.
        shared_exact: Requests that stand in more than one part; 0 when nothing leaks.
        shared_near: Pairs of equal or similar requests in two parts; 0 when nothing leaks.
        shared_groups: Groups in more than one part; None when no group was given.
        group: The metadata key of the groups.
        near: The similarity from which two texts count as near copies.
        seed: The seed.
        test_fingerprint: What the test part is: it is frozen, and an evaluation on it refuses models trained on its
            rows.
        time: The metadata key of time, where the parts follow it.
        spans: For each part its first and last time, as text; empty where no time was given.
    """

    counts: tuple[int, int, int]
    labels: tuple[int, int, int]
    shared_exact: int
    shared_near: int
    shared_groups: int | None
    group: str | None
    near: float
    seed: int
    test_fingerprint: str
    time: str | None = None
    spans: tuple[tuple[str, str], ...] = ()

    @property
    def leaks(self) -> bool:
        """Whether anything stands in two parts."""
        return bool(self.shared_exact or self.shared_near or self.shared_groups)

    def __str__(self) -> str:
        """The proof, for people."""
        total = sum(self.counts)
        lines = [
            f"{name + ':':<6} {count:>7,} examples ({count / total:.1%}), {labels} labels"
            for name, count, labels in zip(_NAMES, self.counts, self.labels, strict=True)
        ]
        lines.append(f"shared exact requests: {self.shared_exact}")
        lines.append(f"shared near copies (similarity from {self.near:g}): {self.shared_near}")
        if self.shared_groups is not None:
            lines.append(f"shared groups ({self.group}): {self.shared_groups}")
        for name, span in zip(_NAMES, self.spans, strict=False):
            lines.append(f"{self.time} of {name}: {span[0]} to {span[1]}")
        if self.counts[2]:
            lines.append(f"test part frozen as {self.test_fingerprint[:16]}")
        return "\n".join(lines)


@attrs.frozen(kw_only=True)
class Split(Generic[D]):
    """Three parts of one data set, and the proof that nothing leaks between them."""

    train: D
    val: D
    test: D
    proof: Proof


@attrs.frozen
class Division:
    """Row numbers of train, val and test, each of shape `(n,)`, and the proof."""

    rows: tuple[Rows, Rows, Rows]
    proof: Proof


def divide(
    dataset: Examples,
    train: float = 80,
    val: float = 10,
    test: float = 10,
    *,
    stratify: str | None = "label",
    group: str | None = None,
    time: str | None = None,
    seed: int = 0,
) -> Division:
    """Rows of three parts that share no request, no near copy and no group.

    Which part an example falls into depends on its cluster's content and on the seed, not on its place in the file.

    Args:
        dataset: The examples.
        train: Share of the first part: percents or fractions, which must sum to 100 or 1.
        val: Share of the second part.
        test: Share of the third part.
        stratify: Keep the mix of `label`, or of a key of the metadata; None for no strata.
        group: A key of the metadata, such as `user`: all examples of a group stay together.
        time: A key of the metadata: the oldest clusters go to train, the newest to test, instead of by content.
        seed: Another seed gives another split.

    Raises:
        UsageError: Shares that don't sum to 100 or 1, a part that would stay empty, a key that examples lack.
    """
    wanted = _fractions(train, val, test)
    examples = list(dataset)
    for key in (group, time):
        if key is not None and any(key not in example.metadata for example in examples):
            raise UsageError(f"not every example has {key!r} in its metadata")
    near = _near_links(examples)
    cluster = _clusters(examples, near, group)
    members: defaultdict[int, list[int]] = defaultdict(list)
    for row, number in enumerate(cluster):
        members[number].append(row)
    part = _by_time(examples, members, wanted, time) if time else _by_hash(examples, members, wanted, stratify, seed)
    rows = (
        np.flatnonzero(part == 0).astype(np.int64),
        np.flatnonzero(part == 1).astype(np.int64),
        np.flatnonzero(part == 2).astype(np.int64),  # noqa: PLR2004  # the third part
    )
    for name, fraction, found in zip(_NAMES, wanted, rows, strict=True):
        if fraction > 0 and not len(found):
            raise UsageError(
                f"the part {name!r} would be empty: {len(members)} independent clusters of examples are too few; "
                "add data or change the shares"
            )
    return Division(rows, _prove(examples, near, part, rows, group, time, seed))


def _fractions(*parts: float) -> tuple[float, ...]:
    total = sum(parts)
    if min(parts) < 0 or not (abs(total - 100) < 1e-6 or abs(total - 1) < 1e-9):  # noqa: PLR2004  # percents or shares
        raise UsageError(f"train, val and test must be at least 0 and sum to 100 (or 1), not {total:g}")
    return tuple(part / total for part in parts)


def _near_links(examples: Sequence[Example]) -> list[tuple[int, int]]:
    """Rows with equal or similar requests, whatever the answers."""
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for row, text in enumerate(request_texts(examples)):
        rows[normalize(text)].append(row)
    first = [members[0] for members in rows.values()]
    links = [(members[0], row) for members in rows.values() for row in members[1:]]
    pairs = similar_pairs(list(rows), _LINKED)
    links += [(first[left], first[right]) for left, right in zip(pairs.left, pairs.right, strict=True)]
    return links


def _clusters(examples: Sequence[Example], near: list[tuple[int, int]], group: str | None) -> Sequence[int]:
    links = list(near)
    keys = [[example.prompt_hash for example in examples]]
    if group is not None:
        keys.append([str(example.metadata[group]) for example in examples])
    for key in keys:
        links += [(same[0], row) for same in equal_rows(key) for row in same[1:]]
    return [int(name) for name in clusters(len(examples), links)]


def _by_hash(
    examples: Sequence[Example],
    members: dict[int, list[int]],
    wanted: tuple[float, ...],
    stratify: str | None,
    seed: int,
) -> Rows:
    """Deal each stratum's clusters, in the order of their hashes, to the part that lacks most."""
    names = strata(examples, stratify)
    groups: defaultdict[str, list[tuple[float, list[int]]]] = defaultdict(list)
    for rows in members.values():
        name = Counter(names[row] for row in rows).most_common(1)[0][0]
        key = min(examples[row].content_hash for row in rows)
        groups[name].append((unit_interval(str(seed), key), rows))
    part = np.zeros(len(examples), dtype=np.int64)
    missing = np.zeros(3)  # carried from stratum to stratum, so that small strata don't all round the same way
    for name in sorted(groups):
        ordered = [rows for _, rows in sorted(groups[name])]
        missing += np.array(wanted) * sum(map(len, ordered))
        part_of = _cut(ordered, missing)
        for rows, chosen in zip(ordered, part_of, strict=True):
            part[rows] = chosen
            missing[chosen] -= len(rows)
    return part


def _cut(ordered: Sequence[Sequence[int]], sizes: NDArray[np.float64]) -> list[int]:
    """The part of each cluster when a sequence is cut into parts of about these sizes."""
    bounds = np.maximum.accumulate(np.cumsum(sizes))
    lengths = np.array([len(rows) for rows in ordered])
    middles = np.cumsum(lengths) - lengths / 2
    last = max(number for number, size in enumerate(sizes) if size > 0)
    return [min(last, int(place)) for place in np.searchsorted(bounds, middles)]


def _by_time(examples: Sequence[Example], members: dict[int, list[int]], wanted: tuple[float, ...], time: str) -> Rows:
    """Oldest clusters first; a cluster counts as old as its newest example, so that no part learns from its future."""
    order = sorted(members.values(), key=lambda rows: max(_instant(examples[row].metadata[time]) for row in rows))
    part = np.zeros(len(examples), dtype=np.int64)
    for rows, chosen in zip(order, _cut(order, np.array(wanted) * len(examples)), strict=True):
        part[rows] = chosen
    return part


def _instant(value: object) -> tuple[int, float, str]:
    if isinstance(value, int | float):
        return 0, float(value), ""
    return 1, 0.0, str(value)  # ISO 8601 sorts as text


def _prove(
    examples: Sequence[Example],
    near: list[tuple[int, int]],
    part: Rows,
    rows: Sequence[Rows],
    group: str | None,
    time: str | None,
    seed: int,
) -> Proof:
    def shared(keys: Sequence[object]) -> int:
        parts: defaultdict[object, set[int]] = defaultdict(set)
        for key, number in zip(keys, part, strict=True):
            parts[key].add(int(number))
        return sum(1 for numbers in parts.values() if len(numbers) > 1)

    labels = [len({examples[int(row)].label for row in found}) for found in rows]
    return Proof(
        counts=(len(rows[0]), len(rows[1]), len(rows[2])),
        labels=(labels[0], labels[1], labels[2]),
        shared_exact=shared([example.prompt_hash for example in examples]),
        shared_near=sum(int(part[one] != part[other]) for one, other in near),
        shared_groups=None if group is None else shared([str(example.metadata[group]) for example in examples]),
        group=group,
        near=NEAR,
        seed=seed,
        test_fingerprint=fingerprint(record_digest(examples[int(row)]) for row in rows[2]),
        time=time,
        spans=() if time is None else tuple(_span(examples, found, time) for found in rows if len(found)),
    )


def _span(examples: Sequence[Example], rows: Rows, time: str) -> tuple[str, str]:
    values = sorted((examples[int(row)].metadata[time] for row in rows), key=_instant)
    return str(values[0]), str(values[-1])
