"""A tuned model with its whole story in a journal, and events without a router."""

import itertools
from collections.abc import Callable, Iterable
from pathlib import Path

import attrs
import pytest

import finetuner as ft
from finetuner._core import codec
from finetuner.data.examples import Example, assistant, user
from finetuner.deployment.observations import Observation
from finetuner.deployment.rollout import Rollout
from finetuner.records.observations import EventRecord, ObservationRecords

WORDS = ("amber", "birch", "cedar", "delta", "ember", "flint", "grove", "haven", "islet", "jetty", "knoll", "larch")
LABELS = ("refund", "card", "login", "limit")
_SEGMENTS = itertools.count()

Serve = Callable[[Rollout, Iterable[Observation]], None]


@attrs.frozen(kw_only=True)
class Story:
    workspace: Path
    train: ft.Dataset
    test: ft.Dataset
    job: ft.Job
    rollout: Rollout


def examples(numbers: Iterable[int]) -> ft.Dataset:
    return ft.Dataset.from_examples(
        [
            Example(
                messages=(
                    user(f"{WORDS[n % 12]} {WORDS[(n * 7 + n // 12) % 12]} {n * n}: my {LABELS[n % 4]} broke"),
                    assistant(LABELS[n % 4]),
                )
            )
            for n in numbers
        ]
    )


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A job that succeeded, its comparison and evaluation, and a rollout at 5 %."""
    workspace = tmp_path_factory.mktemp("story")
    train, test = examples(range(80)), examples(range(100, 160))
    job = ft.Job.create(
        train, validation=test, provider="local", model="ngram-small", epochs=3, seed=1, workspace=workspace
    ).wait()
    ft.compare(job.base, job.model, test, workspace=workspace)
    rollout = Rollout.create("tickets", base=job.base, tuned=job.model, store=workspace)
    rollout.shadow(0.2)
    rollout.ramp(0.05, approver="ada")
    return Story(workspace=workspace, train=train, test=test, job=job, rollout=rollout)


@pytest.fixture
def requests_numbered() -> Callable[[Iterable[int]], ft.Dataset]:
    """Requests by number, whose label is the number's remainder by four."""
    return examples


@pytest.fixture
def serve() -> Serve:
    """Put events into a rollout's journal as if its routers' files had been folded."""

    def fold(rollout: Rollout, events: Iterable[Observation]) -> None:
        records = [
            EventRecord(
                offset=number, kind=event.kind, request_id=event.request_id, body=codec.to_json(event), at=event.at
            )
            for number, event in enumerate(events)
        ]
        segment = f"test-{next(_SEGMENTS)}"
        ObservationRecords(rollout.journal).fold(rollout.name, segment, lambda _: records)

    return fold
