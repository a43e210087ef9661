"""The verbs that give a new view of a data set: choosing, dropping, evening out, splitting, rewriting."""

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, Self

import numpy as np

from finetuner._core.types import Json
from finetuner.data import duplicates, rebalancing, sampling, splitting
from finetuner.data.examples import Example
from finetuner.data.labels import Instructing, naming_instruction, respelling
from finetuner.data.ports import Examples, Flagged, Rows
from finetuner.data.privacy import redact_example
from finetuner.data.rebalancing import How
from finetuner.data.rows import Change
from finetuner.data.splitting import Split


class Shaping(Examples, Protocol):
    """What can be made of any data set that can choose rows and change examples. Nothing is changed in place."""

    def derived(
        self, verb: str, parameters: Mapping[str, Json], rows: Rows | None = None, change: Change | None = None
    ) -> Self:
        """The same data with these rows and this change, remembering what was done."""
        ...

    def select(self, rows: Rows, /) -> Self:
        """The rows of these numbers, in this order.

        Args:
            rows: 0-based, shape `(n,)`; a number may occur more than once.

        Raises:
            UsageError: A number is out of range.
        """
        return self.derived("select", {}, rows)

    def filter(self, keep: Callable[[Example], bool]) -> Self:
        """Only the examples for which `keep` is true."""
        rows = np.flatnonzero([bool(keep(example)) for example in self]).astype(np.int64)
        return self.derived("filter", {"keep": _named(keep)}, rows)

    def map(self, change: Change) -> Self:
        """Each example changed by a pure function, which is called whenever the example is read."""
        return self.derived("map", {"change": _named(change)}, change=change)

    def drop(self, what: Flagged | Iterable[int]) -> Self:
        """Without some rows.

        Args:
            what: A report of `check()` (its rows with errors), a `Review` (its flagged rows), or 0-based row numbers.
        """
        rows = what.rows if isinstance(what, Flagged) else np.fromiter(what, dtype=np.int64)
        kept = np.setdiff1d(np.arange(len(self), dtype=np.int64), rows)
        return self.derived("drop", {"what": type(what).__name__}, kept)

    def dedupe(self, near: float | None = None) -> Self:
        """Without examples that repeat an earlier one; with `near` (0.5 to 1) also without those that nearly do."""
        return self.derived("dedupe", {"near": near}, duplicates.find(self, near).keep)

    def redact(self) -> Self:
        """With personal data and secrets replaced by placeholders such as `<EMAIL_1>`; names aren't found."""
        return self.derived("redact", {}, change=redact_example)

    def harmonize(self, labels: Iterable[str] = (), merge: Mapping[str, str] | None = None) -> Self:
        """With every label spelled one way: `Billing`, `billing ` and `BILLING.` become `billing`.

        Args:
            labels: How labels are spelled; by default as the system prompt names them, else as most rows do.
            merge: Labels that mean another one, such as `{"invoice": "billing"}`.

        Raises:
            UsageError: The answers are free text, and no labels are given.
        """
        wanted = tuple(labels)
        change = respelling(self, wanted, merge)
        return self.derived("harmonize", {"labels": list(wanted), "merge": dict(merge or {})}, change=change)

    def instruct(self, text: str | None = None, *, replace: bool = False) -> Self:
        """With a system prompt before the turns, so that a model that isn't tuned knows what is wanted too.

        Args:
            text: The prompt; by default one that names all labels.
            replace: Put it also where there is one already.

        Raises:
            UsageError: No text is given, and the answers are free text.
        """
        prompt = naming_instruction(self) if text is None else text
        change = Instructing(prompt, replace=replace)
        return self.derived("instruct", {"text": prompt, "replace": replace}, change=change)

    def rebalance(self, how: How = "oversample", seed: int = 0) -> Self:
        """With every label equally frequent. For training data only: validation and test keep the real mix.

        Raises:
            UsageError: There is no such way, or the answers are free text.
        """
        return self.derived("rebalance", {"how": how, "seed": seed}, rebalancing.rows(self, how, seed))

    def sample(self, n: int, stratify: str | None = None, seed: int = 0, *, balanced: bool = False) -> Self:
        """Some of the examples, chosen by content and seed.

        Args:
            n: How many.
            stratify: Keep the mix of `label`, or of a key of the metadata.
            seed: Another seed gives another sample.
            balanced: Take as many of each group instead, as far as it has so many.

        Raises:
            UsageError: `n` is below 1, or no example has that key.
        """
        rows = sampling.rows(self, n, stratify, seed, balanced=balanced)
        return self.derived("sample", {"n": n, "stratify": stratify, "seed": seed, "balanced": balanced}, rows)

    def split(
        self,
        train: float = 80,
        val: float = 10,
        test: float = 10,
        *,
        stratify: str | None = "label",
        group: str | None = None,
        time: str | None = None,
        seed: int = 0,
    ) -> Split[Self]:
        """Train, validation and test that share no request, near copy or group. See `finetuner.data.splitting`.

        Args:
            train: Share of the first part: percents or fractions, which must sum to 100 or 1.
            val: Share of the second part.
            test: Share of the third part.
            stratify: Keep the mix of `label`, or of a key of the metadata; None for no strata.
            group: A key of the metadata, such as `user`: all examples of a group stay together.
            time: A key of the metadata: the oldest go to train, the newest to test, instead of by content.
            seed: Another seed gives another split.

        Raises:
            UsageError: Shares that don't sum to 100 or 1, a part that would stay empty, a key that examples lack.
        """
        found = splitting.divide(self, train, val, test, stratify=stratify, group=group, time=time, seed=seed)
        given: dict[str, Json] = {"shares": [train, val, test], "stratify": stratify, "group": group, "time": time}

        train_part, val_part, test_part = (
            self.derived("split", {"part": name, **given, "seed": seed}, rows)
            for name, rows in zip(("train", "val", "test"), found.rows, strict=True)
        )
        return Split(train=train_part, val=val_part, test=test_part, proof=found.proof)


def _named(function: object) -> str:
    return getattr(function, "__qualname__", type(function).__qualname__)
