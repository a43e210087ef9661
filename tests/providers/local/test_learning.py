"""Training of the embedded model."""

import csv
import random
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import numpy as np
import pytest

from finetuner.errors import UsageError
from finetuner.providers.catalog import load_catalog
from finetuner.providers.local.learning import Checkpoint, EpochEnd, Plan, Step, Texts, train
from finetuner.providers.local.sizes import ModelSize, automatic_batch_size, automatic_epochs, size_from

BANKING77 = Path(__file__).parents[4] / "shared/data/banking77"
TOPICS = {
    "refund": "refund money back returned payment reimburse",
    "delivery": "parcel shipment courier delivery tracking arrive",
    "account": "login password account profile locked email",
}
SMALL = ModelSize(hidden=16)


def requests(n: int, seed: int) -> Texts:
    """Requests whose words tell their topic, in random order."""
    source = random.Random(seed)
    labels = [source.choice(sorted(TOPICS)) for _ in range(n)]
    return [" ".join(source.sample(TOPICS[label].split(), 3)) for label in labels], labels


def ends(events: Iterator[Step | EpochEnd]) -> list[EpochEnd]:
    return [event for event in events if isinstance(event, EpochEnd)]


def same_bits(left: Checkpoint, right: Checkpoint) -> bool:
    pairs = zip(
        (*left.classifier.parameters, *left.squares), (*right.classifier.parameters, *right.squares), strict=True
    )
    return all(np.array_equal(one, other) for one, other in pairs)


def test_steps_and_epochs_come_in_order() -> None:
    """50 texts in batches of 20 are 3 steps an epoch, and each epoch ends with its own checkpoint."""
    events = list(train(requests(50, 1), Plan(size=SMALL, epochs=2, batch_size=20), validation=requests(20, 2)))
    kinds = ["step" if isinstance(event, Step) else "epoch" for event in events]
    assert kinds == ["step", "step", "step", "epoch"] * 2
    assert [event.step for event in events] == [1, 2, 3, 3, 4, 5, 6, 6]
    assert {event.total_steps for event in events} == {6}
    first, second = ends(iter(events))
    assert not same_bits(first.checkpoint, second.checkpoint)
    assert (first.checkpoint.epoch, second.checkpoint.epoch) == (1, 2)


def test_training_loss_falls_and_unseen_requests_are_answered() -> None:
    epochs = ends(train(requests(300, 1), Plan(size=SMALL, epochs=5), validation=requests(100, 2)))
    losses = [epoch.train_loss for epoch in epochs]
    assert losses == sorted(losses, reverse=True)
    accuracy = epochs[-1].full_valid_accuracy
    assert accuracy is not None
    assert accuracy > 0.95


def test_without_validation_there_are_no_validation_numbers() -> None:
    (epoch,) = ends(train(requests(20, 1), Plan(size=SMALL, epochs=1)))
    assert epoch.full_valid_loss is None
    assert epoch.full_valid_accuracy is None


def test_the_seed_decides_every_bit() -> None:
    plan = Plan(size=SMALL, epochs=2, seed=7)
    one, same, other = (
        ends(train(requests(60, 1), chosen))[-1].checkpoint for chosen in (plan, plan, attrs.evolve(plan, seed=8))
    )
    assert same_bits(one, same)
    assert not same_bits(one, other)


def test_a_resumed_run_ends_like_an_uninterrupted_one() -> None:
    """Stopping in the middle of epoch 3 and going on from checkpoint 2 changes no bit and no reported number."""
    plan, data, held_out = Plan(size=SMALL, epochs=4, seed=3), requests(100, 1), requests(30, 2)
    whole = ends(train(data, plan, validation=held_out))
    interrupted = train(data, plan, validation=held_out)
    last = next(event for event in interrupted if isinstance(event, EpochEnd) and event.epoch == 2)
    next(interrupted)
    resumed = list(train(data, plan, validation=held_out, resume=last.checkpoint))
    assert resumed[0].epoch == 3
    tail = ends(iter(resumed))
    assert [epoch.full_valid_loss for epoch in tail] == [epoch.full_valid_loss for epoch in whole[2:]]
    assert same_bits(tail[-1].checkpoint, whole[-1].checkpoint)


def test_a_checkpoint_does_not_continue_another_run() -> None:
    plan = Plan(size=SMALL, epochs=1)
    (epoch,) = ends(train(requests(20, 1), plan))
    with pytest.raises(UsageError, match="another plan or other training data"):
        next(train(requests(20, 2), plan, resume=epoch.checkpoint))
    with pytest.raises(UsageError, match="another plan or other training data"):
        next(train(requests(20, 1), attrs.evolve(plan, epochs=2), resume=epoch.checkpoint))


def test_overfitting_shows_in_the_validation_loss() -> None:
    """On few examples with wrong labels the training loss goes on falling while the validation loss turns up."""
    texts, labels = requests(60, 1)
    source = random.Random(5)
    noisy = [source.choice(sorted(TOPICS)) if source.random() < 0.8 else label for label in labels]
    tagged = [f"{text} ticket{number}" for number, text in enumerate(texts)]
    plan = Plan(size=ModelSize(hidden=32, dropout=0.0), epochs=15, batch_size=4)
    epochs = ends(train((tagged, noisy), plan, validation=requests(60, 2)))
    losses = [epoch.full_valid_loss or 0.0 for epoch in epochs]
    assert epochs[-1].train_loss < epochs[0].train_loss / 2
    assert losses[-1] > min(losses) * 1.05
    assert losses.index(min(losses)) < len(losses) / 2


@pytest.mark.parametrize(("texts", "labels"), [([], []), (["a", "b"], ["x"])])
def test_texts_and_labels_must_pair_up(texts: list[str], labels: list[str]) -> None:
    with pytest.raises(UsageError, match="one label for each"):
        next(train((texts, labels), Plan()))


def test_a_label_that_training_never_saw_counts_as_wrong() -> None:
    (epoch,) = ends(train(requests(40, 1), Plan(size=SMALL, epochs=1)))
    loss, accuracy = epoch.checkpoint.classifier.evaluate(["refund"], ["never seen"])
    assert accuracy == 0
    assert loss == pytest.approx(27.631, abs=1e-3)


def test_a_single_label_is_certain() -> None:
    (epoch,) = ends(train((["a b", "c d"], ["yes", "yes"]), Plan(size=SMALL, epochs=1)))
    labels, probabilities = epoch.checkpoint.classifier.predict(["anything", ""])
    assert labels == ("yes", "yes")
    assert probabilities.tolist() == [[1.0], [1.0]]


def test_probabilities_sum_to_one_and_do_not_depend_on_company() -> None:
    """A text gets the same probabilities alone and among others."""
    classifier = ends(train(requests(60, 1), Plan(size=SMALL, epochs=2)))[-1].checkpoint.classifier
    texts = requests(150, 3)[0]
    labels, together = classifier.predict(texts)
    assert together.shape == (150, 3)
    assert together.sum(axis=1) == pytest.approx(np.ones(150), abs=1e-5)
    alone = np.concatenate([classifier.predict([text])[1] for text in texts])
    assert alone == pytest.approx(together, abs=1e-5)
    assert [classifier.labels[column] for column in together.argmax(axis=1)] == list(labels)


def test_weights_are_read_only() -> None:
    (epoch,) = ends(train(requests(20, 1), Plan(size=SMALL, epochs=1)))
    with pytest.raises(ValueError, match="read-only"):
        epoch.checkpoint.classifier.embedding[0, 0] = 1


def test_automatic_choices_follow_the_amount_of_data() -> None:
    assert [automatic_batch_size(n) for n in (1, 50, 160, 10_003)] == [1, 3, 10, 32]
    assert [automatic_epochs(n) for n in (50, 1_000, 10_003)] == [15, 10, 8]


def banking77(part: str) -> Texts:
    path = BANKING77 / f"{part}.csv"
    if not path.is_file():
        pytest.skip(f"needs the Banking77 data set in {path.parent}")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], [row["category"] for row in rows]


def test_a_part_of_banking77_is_learned() -> None:
    """Ten intents, half of the texts: the small base gets nine of ten right."""
    texts, labels = banking77("train")
    chosen = set(sorted(set(labels))[:10])
    pairs = [pair for pair in zip(texts, labels, strict=True) if pair[1] in chosen]
    learned, held_out = pairs[::2], pairs[1::2]
    size = size_from(load_catalog("local").get("ngram-small").options)
    plan = Plan(size=size, epochs=5, batch_size=16)
    epochs = ends(
        train(
            ([text for text, _ in learned], [label for _, label in learned]),
            plan,
            validation=([text for text, _ in held_out], [label for _, label in held_out]),
        )
    )
    accuracy = epochs[-1].full_valid_accuracy
    assert accuracy is not None
    assert accuracy >= 0.9


@pytest.mark.slow
def test_banking77_on_the_official_split() -> None:
    """At least 88 % of the 3,080 test queries, in under a minute of training."""
    training, scored = banking77("train"), banking77("test")
    plan = Plan(size=size_from(load_catalog("local").get("ngram-base").options))
    start = time.perf_counter()
    classifier = ends(train(training, plan))[-1].checkpoint.classifier
    seconds = time.perf_counter() - start
    _, accuracy = classifier.evaluate(*scored)
    assert accuracy >= 0.88
    assert seconds < 60
