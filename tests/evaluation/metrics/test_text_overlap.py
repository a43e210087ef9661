"""ROUGE, BLEU, chrF and similarity: the kept libraries' values, with intervals of our own."""

import numpy as np
import pytest
import sacrebleu
from rouge_score import rouge_scorer

from finetuner.data.examples import Example, assistant, user
from finetuner.errors import MissingExtraError
from finetuner.evaluation.metrics.bleu import Bleu, Chrf
from finetuner.evaluation.metrics.grading import Case
from finetuner.evaluation.metrics.rouge import Rouge
from finetuner.evaluation.metrics.similarity import EmbeddingSimilarity

EXAMPLE = Example(messages=(user("q"), assistant("a")))
WANTED = [
    "The parcel was sent on Monday and arrives tomorrow.",
    "Please restart the router and wait for two minutes.",
    "We refund the full amount within five working days.",
    "Your invoice is attached to this message.",
] * 5
GIVEN = [
    "The parcel was sent Monday and will arrive tomorrow.",
    "Restart the router and wait two minutes.",
    "We refund the full amount within five working days.",
    "I don't know.",
] * 5


def grades(metric):
    return [metric.grade(Case(wanted, given, EXAMPLE)) for wanted, given in zip(WANTED, GIVEN, strict=True)]


@pytest.mark.parametrize("kind", ["rouge1", "rouge2", "rougeL", "rougeLsum"])
def test_rouge_is_the_librarys(kind):
    scorer = rouge_scorer.RougeScorer([kind])
    metric = Rouge(kind)
    found = [grade.value for grade in grades(metric)]
    expected = [scorer.score(wanted, given)[kind].fmeasure for wanted, given in zip(WANTED, GIVEN, strict=True)]
    assert found == expected
    assert metric.summarize(grades(metric))[metric.name].value == pytest.approx(np.mean(expected))


def test_bleu_of_the_whole_is_sacrebleus():
    """Not the mean of sentences; the interval holds the value and is the same each time."""
    expected = sacrebleu.corpus_bleu(GIVEN, [WANTED]).score / 100
    bleu = Bleu().summarize(grades(Bleu()))["bleu"]
    assert bleu.value == pytest.approx(expected, abs=1e-12)
    assert bleu.low < bleu.value < bleu.high
    assert bleu == Bleu().summarize(grades(Bleu()))["bleu"]


def test_bleu_interval_agrees_with_sacrebleus_bootstrap(monkeypatch):
    """Both resample rows; ends agree to a point and a half."""
    monkeypatch.setenv("SACREBLEU_SEED", "12345")
    theirs = sacrebleu.BLEU().corpus_score(GIVEN, [WANTED], n_bootstrap=1000)
    bleu = Bleu().summarize(grades(Bleu()))["bleu"]
    assert (bleu.high - bleu.low) / 2 == pytest.approx(theirs._ci / 100, abs=0.015)


def test_chrf_is_the_mean_of_sacrebleus_sentences():
    expected = [
        sacrebleu.sentence_chrf(given, [wanted]).score / 100 for wanted, given in zip(WANTED, GIVEN, strict=True)
    ]
    assert [grade.value for grade in grades(Chrf())] == pytest.approx(expected)
    assert Chrf().summarize(grades(Chrf()))["chrf"].value == pytest.approx(np.mean(expected))


def test_an_empty_answer_overlaps_with_nothing():
    for metric in (Rouge(), Bleu(), Chrf()):
        assert metric.grade(Case("some words", "", EXAMPLE)).value == 0


def test_similarity_is_a_cosine():
    """Any function that makes vectors will do."""
    vectors = {"a": [1.0, 0.0], "b": [3.0, 0.0], "c": [0.0, 2.0], "d": [1.0, 1.0], "": [0.0, 0.0]}
    metric = EmbeddingSimilarity(lambda texts: [vectors[text] for text in texts])
    found = [metric.grade(Case("a", given, EXAMPLE)).value for given in vectors]
    assert found == pytest.approx([1, 1, 0, 0.5**0.5, 0])
    assert metric.name == "embedding_similarity"


def test_a_missing_extra_is_one_clear_line():
    with pytest.raises(MissingExtraError, match="similarity"):
        EmbeddingSimilarity.of_model("no-such-model")
