"""The tuned embedded model: a text goes in, the completions seen in training come out with their probabilities."""

from collections.abc import Sequence

import attrs
import numpy as np

from finetuner.errors import UsageError
from finetuner.providers.local.features import Floats, Rows, SparseRows, Vocabulary
from finetuner.providers.local.sizes import ModelSize

_ROWS_AT_ONCE = 64
_TINY = np.float32(1e-12)


@attrs.frozen(kw_only=True, eq=False)
class Classifier:
    """Weights of `softmax(tanh(x E + c) V + b)` over the labels; every array is read-only.

    Attributes:
        size: The base model it was trained from.
        labels: The completions it can answer, sorted.
        vocabulary: The features it knows.
        embedding: E, shape (n_features, hidden).
        hidden_bias: c, shape (1, hidden).
        output: V, shape (hidden, n_labels).
        output_bias: b, shape (1, n_labels).
    """

    size: ModelSize
    labels: tuple[str, ...]
    vocabulary: Vocabulary = attrs.field(repr=False)
    embedding: Floats = attrs.field(repr=False)
    hidden_bias: Floats = attrs.field(repr=False)
    output: Floats = attrs.field(repr=False)
    output_bias: Floats = attrs.field(repr=False)

    def __attrs_post_init__(self) -> None:
        for array in (self.vocabulary.buckets, self.vocabulary.idf, *self.parameters):
            array.flags.writeable = False

    @property
    def parameters(self) -> tuple[Floats, Floats, Floats, Floats]:
        """E, c, V, b."""
        return self.embedding, self.hidden_bias, self.output, self.output_bias

    def predict(self, texts: Sequence[str]) -> tuple[tuple[str, ...], Floats]:
        """The likeliest label of each text, and the probabilities of all labels.

        Returns:
            One label for each text, and probabilities of shape (n_texts, n_labels) in the order of `labels`.
        """
        probabilities = self.probabilities(self.vocabulary.rows(texts))
        best: list[int] = probabilities.argmax(axis=1).tolist()
        return tuple(self.labels[column] for column in best), probabilities

    def evaluate(self, texts: Sequence[str], labels: Sequence[str]) -> tuple[float, float]:
        """Mean loss in nats and share of right answers, over labeled texts.

        A label that training never saw counts as wrong, with the largest loss that is told apart from certainty (27.6).

        Raises:
            UsageError: When there is no text, or not one label for each text.
        """
        return self.evaluate_rows(self.vocabulary.rows(texts), label_numbers(labels, self.labels, n_texts=len(texts)))

    def evaluate_rows(self, rows: SparseRows, targets: Rows) -> tuple[float, float]:
        """Like `evaluate`, for texts that are rows already; -1 is a label that training never saw."""
        probabilities = self.probabilities(rows)
        right = np.where(targets >= 0, probabilities[np.arange(len(rows)), targets], np.float32(0))
        accuracy = float((probabilities.argmax(axis=1) == targets).mean())
        return float(-np.log(np.maximum(right, _TINY), dtype=np.float64).mean()), accuracy

    def probabilities(self, rows: SparseRows) -> Floats:
        """Probabilities of shape (n_texts, n_labels) for texts that are rows already."""
        result = np.empty((len(rows), len(self.labels)), np.float32)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            chosen = np.arange(start, min(start + _ROWS_AT_ONCE, len(rows)))
            matrix, columns = rows.dense(chosen)
            hidden = np.tanh(matrix @ self.embedding[columns] + self.hidden_bias)
            result[chosen] = softmax(hidden @ self.output + self.output_bias)
        return result


def softmax(scores: Floats) -> Floats:
    """Scores of shape (n, n_labels) as probabilities that sum to 1 in each row."""
    powers: Floats = np.exp(scores - scores.max(axis=1, keepdims=True))
    total: Floats = powers.sum(axis=1, keepdims=True)
    return powers / total


def label_numbers(labels: Sequence[str], known: Sequence[str], *, n_texts: int) -> Rows:
    """The place of each label among the known ones; -1 for one that isn't there.

    Raises:
        UsageError: When there is no text, or not one label for each text.
    """
    if not n_texts or len(labels) != n_texts:
        raise UsageError(f"{n_texts} texts and {len(labels)} labels: give at least one text, and one label for each")
    numbers = {label: number for number, label in enumerate(known)}
    return np.array([numbers.get(label, -1) for label in labels], np.intp)
