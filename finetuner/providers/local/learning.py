"""How the embedded model learns: mini-batches, row-wise adaptive steps, one checkpoint for each epoch.

Each row of a weight matrix has its own step length, `rate / sqrt(sum of its mean squared gradients)` (AdaGrad, Duchi,
Hazan and Singer 2011, with one sum for each row instead of each weight), and the rate falls linearly to 0. Features are
hidden at random while training (dropout, Srivastava et al. 2014). All randomness is a function of the seed, the epoch
and the step, so a run that goes on from a checkpoint ends with the same bits as one that was never interrupted.
"""

import hashlib
from collections.abc import Iterator, Sequence

import attrs
import numpy as np

from finetuner.errors import UsageError
from finetuner.providers.local.classifier import Classifier, label_numbers, softmax
from finetuner.providers.local.features import Floats, Rows, SparseRows, Vocabulary
from finetuner.providers.local.sizes import ModelSize

_EPSILON = np.float32(1e-6)
_TINY = np.float32(1e-12)
_BIAS_RATE = 0.2
_OUTPUT_SCALE = 0.5
_INITIAL, _ORDER, _HIDING = 0, 1, 2

Texts = tuple[Sequence[str], Sequence[str]]
"""Texts and their labels, in the same order."""


@attrs.frozen(kw_only=True)
class Plan:
    """How to train.

    Attributes:
        size: The base model.
        epochs: Passes over the training texts.
        batch_size: Texts in a step.
        learning_rate_multiplier: Factor on the base model's learning rate.
        seed: The same seed, data and plan give the same weights, bit by bit.
    """

    size: ModelSize = attrs.field(factory=ModelSize)
    epochs: int = attrs.field(default=8, validator=attrs.validators.ge(1))
    batch_size: int = attrs.field(default=32, validator=attrs.validators.ge(1))
    learning_rate_multiplier: float = attrs.field(default=1.0, validator=attrs.validators.gt(0))
    seed: int = attrs.field(default=0, validator=attrs.validators.ge(0))


@attrs.frozen(kw_only=True)
class Checkpoint:
    """All that it takes to answer, and to go on training.

    Attributes:
        classifier: The model after `epoch` epochs.
        squares: Sums of squared gradients of the rows of E, c, V and b: shapes (n_rows, 1).
        epoch: Finished epochs.
        fingerprint: SHA-256 of the plan and the training data, against going on with other data.
    """

    classifier: Classifier
    squares: tuple[Floats, Floats, Floats, Floats] = attrs.field(repr=False, eq=False)
    epoch: int
    fingerprint: str


@attrs.frozen(kw_only=True)
class Step:
    """One step of training.

    Attributes:
        step: 1 for the first step of the job.
        total_steps: Steps in the whole job.
        epoch: The epoch it belongs to, from 1.
        train_loss: Mean loss of its texts in nats, features hidden as in training.
        train_accuracy: Share of its texts that were answered rightly.
    """

    step: int
    total_steps: int
    epoch: int
    train_loss: float
    train_accuracy: float


@attrs.frozen(kw_only=True)
class EpochEnd:
    """The end of a pass over the training texts.

    Attributes:
        epoch: Finished epochs, from 1.
        step: Finished steps.
        total_steps: Steps in the whole job.
        train_loss: Mean loss of the epoch's steps in nats.
        full_valid_loss: Mean loss over all validation texts in nats; None without any.
        full_valid_accuracy: Share of validation texts that were answered rightly; None without any.
        checkpoint: The model as it is now.
    """

    epoch: int
    step: int
    total_steps: int
    train_loss: float
    full_valid_loss: float | None
    full_valid_accuracy: float | None
    checkpoint: Checkpoint


def train(
    training: Texts,
    plan: Plan,
    *,
    validation: Texts | None = None,
    resume: Checkpoint | None = None,
    origin: Classifier | None = None,
) -> Iterator[Step | EpochEnd]:
    """Learn, step by step; stop by no longer asking for the next step.

    Args:
        training: Texts and the completions they should get.
        plan: How to train.
        validation: Texts that are only scored, at the end of each epoch.
        resume: The last checkpoint of an interrupted run of the same plan over the same data.
        origin: A tuned model to go on from: what it knows stays, new features and labels are added. None starts with
            random weights.

    Yields:
        A `Step` after each step and an `EpochEnd` after each epoch.

    Raises:
        UsageError: When texts and labels don't pair up, no text has a word, or `resume` is from another run.
    """
    texts, answers = training
    fingerprint = _fingerprint(texts, answers, plan, origin)
    if resume is not None and resume.fingerprint != fingerprint:
        raise UsageError("the checkpoint is from another plan or other training data: start over without it")
    labels = tuple(sorted({*answers, *(origin.labels if origin else ())}))
    targets = label_numbers(answers, labels, n_texts=len(texts))
    start = resume
    if start is None:
        fitted = Vocabulary.fit(texts, plan.size.features)
        start = _beginning(fitted.joined(origin.vocabulary) if origin else fitted, labels, plan, fingerprint)
        start = _inheriting(start, origin) if origin else start
    learner = _Learner.at(start, plan)
    rows = start.classifier.vocabulary.rows(texts)
    held_out = validation and (
        start.classifier.vocabulary.rows(validation[0]),
        label_numbers(validation[1], labels, n_texts=len(validation[0])),
    )
    steps_per_epoch = -(-len(texts) // plan.batch_size)
    total = plan.epochs * steps_per_epoch
    for epoch in range(start.epoch + 1, plan.epochs + 1):
        order = np.random.default_rng([plan.seed, _ORDER, epoch]).permutation(len(texts))
        loss_sum = 0.0
        for number in range(steps_per_epoch):
            batch = order[number * plan.batch_size : (number + 1) * plan.batch_size]
            step = (epoch - 1) * steps_per_epoch + number + 1
            loss, accuracy = learner.learn(rows, batch, targets[batch], step=step, decay=1 - step / (total + 1))
            loss_sum += loss * len(batch)
            yield Step(step=step, total_steps=total, epoch=epoch, train_loss=loss, train_accuracy=accuracy)
        checkpoint = learner.checkpoint(epoch, fingerprint)
        scores = checkpoint.classifier.evaluate_rows(*held_out) if held_out else (None, None)
        yield EpochEnd(
            epoch=epoch,
            step=epoch * steps_per_epoch,
            total_steps=total,
            train_loss=loss_sum / len(texts),
            full_valid_loss=scores[0],
            full_valid_accuracy=scores[1],
            checkpoint=checkpoint,
        )


def _beginning(vocabulary: Vocabulary, labels: tuple[str, ...], plan: Plan, fingerprint: str) -> Checkpoint:
    rng = np.random.default_rng([plan.seed, _INITIAL])
    hidden = plan.size.hidden
    scale = np.float32(hidden**-0.5)
    parameters = (
        rng.standard_normal((len(vocabulary.buckets), hidden), np.float32) * scale,
        np.zeros((1, hidden), np.float32),
        rng.standard_normal((hidden, len(labels)), np.float32) * (scale * np.float32(_OUTPUT_SCALE)),
        np.zeros((1, len(labels)), np.float32),
    )
    classifier = _classifier(plan.size, labels, vocabulary, parameters)
    squares = tuple(np.zeros((len(array), 1), np.float32) for array in parameters)
    return Checkpoint(classifier=classifier, squares=_four(squares), epoch=0, fingerprint=fingerprint)


def _inheriting(start: Checkpoint, origin: Classifier) -> Checkpoint:
    """The beginning with the weights of another model where that knows the feature or the label."""
    fresh = start.classifier
    embedding, hidden_bias, output, output_bias = (array.copy() for array in fresh.parameters)
    rows = np.searchsorted(fresh.vocabulary.buckets, origin.vocabulary.buckets)
    columns = label_numbers(origin.labels, fresh.labels, n_texts=len(origin.labels))
    embedding[rows] = origin.embedding
    hidden_bias[:] = origin.hidden_bias
    output[:, columns] = origin.output
    output_bias[:, columns] = origin.output_bias
    parameters = (embedding, hidden_bias, output, output_bias)
    classifier = _classifier(fresh.size, fresh.labels, fresh.vocabulary, parameters)
    return attrs.evolve(start, classifier=classifier)


def _classifier(
    size: ModelSize, labels: tuple[str, ...], vocabulary: Vocabulary, parameters: Sequence[Floats]
) -> Classifier:
    embedding, hidden_bias, output, output_bias = parameters
    return Classifier(
        size=size,
        labels=labels,
        vocabulary=vocabulary,
        embedding=embedding,
        hidden_bias=hidden_bias,
        output=output,
        output_bias=output_bias,
    )


def _four(arrays: Sequence[Floats]) -> tuple[Floats, Floats, Floats, Floats]:
    first, second, third, fourth = arrays
    return first, second, third, fourth


@attrs.frozen(kw_only=True)
class _Learner:
    """Writable copies of a checkpoint's arrays: the one place where training changes something."""

    plan: Plan
    origin: Classifier
    parameters: tuple[Floats, Floats, Floats, Floats]
    squares: tuple[Floats, Floats, Floats, Floats]

    @classmethod
    def at(cls, checkpoint: Checkpoint, plan: Plan) -> "_Learner":
        return cls(
            plan=plan,
            origin=checkpoint.classifier,
            parameters=_four([array.copy() for array in checkpoint.classifier.parameters]),
            squares=_four([array.copy() for array in checkpoint.squares]),
        )

    def checkpoint(self, epoch: int, fingerprint: str) -> Checkpoint:
        copies = [array.copy() for array in self.parameters]
        return Checkpoint(
            classifier=_classifier(self.origin.size, self.origin.labels, self.origin.vocabulary, copies),
            squares=_four([array.copy() for array in self.squares]),
            epoch=epoch,
            fingerprint=fingerprint,
        )

    def learn(self, rows: SparseRows, batch: Rows, targets: Rows, *, step: int, decay: float) -> tuple[float, float]:
        """One step; gives the batch's mean loss before it and its share of right answers."""
        embedding, hidden_bias, output, output_bias = self.parameters
        hiding = np.random.default_rng([self.plan.seed, _HIDING, step])
        matrix, columns = rows.dense(batch, keep=1 - self.plan.size.dropout, rng=hiding)
        hidden = np.tanh(matrix @ embedding[columns] + hidden_bias)
        probabilities = softmax(hidden @ output + output_bias)
        places = np.arange(len(batch))
        loss = float(-np.log(np.maximum(probabilities[places, targets], _TINY)).mean())
        accuracy = float((probabilities.argmax(axis=1) == targets).mean())

        by_score = probabilities
        by_score[places, targets] -= 1
        by_score /= np.float32(len(batch))
        by_hidden: Floats = (by_score @ output.T) * (np.float32(1) - hidden * hidden)
        rate = self.plan.size.learning_rate * self.plan.learning_rate_multiplier * decay
        everything = slice(None)
        self._descend(0, columns, matrix.T @ by_hidden, rate)
        self._descend(1, everything, by_hidden.sum(axis=0, keepdims=True), rate * _BIAS_RATE)
        self._descend(2, everything, hidden.T @ by_score, rate)
        self._descend(3, everything, by_score.sum(axis=0, keepdims=True), rate * _BIAS_RATE)
        return loss, accuracy

    def _descend(self, which: int, rows: Rows | slice, gradient: Floats, rate: float) -> None:
        sums = self.squares[which]
        sums[rows] += np.square(gradient).mean(axis=1, keepdims=True)
        self.parameters[which][rows] -= np.float32(rate) * gradient / (np.sqrt(sums[rows]) + _EPSILON)


def _fingerprint(texts: Sequence[str], labels: Sequence[str], plan: Plan, origin: Classifier | None) -> str:
    digest = hashlib.sha256(repr(attrs.astuple(plan)).encode())
    for array in origin.parameters if origin is not None else ():
        digest.update(np.ascontiguousarray(array).tobytes())
    for part in (texts, labels):
        for text in part:
            digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
        digest.update(b"\0")
    return digest.hexdigest()
