"""Similarity of meaning: the cosine between embeddings of the expected and the given text."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from finetuner._core import extras
from finetuner.evaluation.metrics.grading import Case, Grade, MeanMetric

Embed = Callable[[Sequence[str]], npt.ArrayLike]
"""Vectors of texts, shape `(n_texts, n_dimensions)`."""


@attrs.frozen
class EmbeddingSimilarity(MeanMetric):
    """Mean cosine between the embeddings of expected and given texts, -1..1.

    It measures likeness, not truth: "paid" and "not paid" are alike. Don't let it decide alone.

    Attributes:
        embed: Makes the vectors: any function, such as one around a provider's embeddings.
        name: Name in results.
    """

    embed: Embed
    name: str = "embedding_similarity"

    @classmethod
    def of_model(cls, model: str) -> "EmbeddingSimilarity":
        """With a model of the `sentence-transformers` package (extra `similarity`), by its name or folder.

        Raises:
            MissingExtraError: The package isn't installed.
        """
        encoder = _encoder(model)
        return cls(lambda texts: encoder.encode(list(texts)))

    def grade(self, case: Case) -> Grade:
        """The cosine of one answer; 0 where a vector is all zeros."""
        vectors = np.asarray(self.embed([case.expected, case.answer]), float)
        lengths = np.linalg.norm(vectors, axis=1)
        cosine = float(vectors[0] @ vectors[1] / lengths.prod()) if lengths.all() else 0.0
        return Grade(expected=case.expected, value=min(1.0, max(-1.0, cosine)), parsed=case.answer)


@cache
def _encoder(model: str) -> Any:
    module = extras.require("sentence_transformers", extra="similarity", feature="embedding similarity")
    return module.SentenceTransformer(model)
