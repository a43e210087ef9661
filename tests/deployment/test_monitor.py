"""Every week the same people-sized sample for everybody, and what a person did with it stays in the audit."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

import finetuner as ft
from finetuner.deployment import reevaluation
from finetuner.deployment.observations import Observation
from finetuner.deployment.rollout import Rollout
from finetuner.errors import LeakError, UsageError
from finetuner.testing.clock import FakeClock

MONDAY = date(2027, 1, 11)
NOW = datetime(2027, 1, 14, 12, tzinfo=UTC).timestamp()
DAY = 86_400.0


def traffic(n: int, *, days_ago: float = 1.0, latency: float = 1.0) -> Iterator[Observation]:
    for number in range(n):
        request = f"{days_ago:g}-{number}"
        arm = "tuned" if number % 2 else "base"
        yield Observation(
            kind="exposure",
            request_id=request,
            at=NOW - days_ago * DAY + number,
            unit=f"u{number}",
            share=0.5,
            assigned=arm,
            served=arm,
            analyzed=True,
            latency=latency + (number % 17) / 10,
            error="TimeoutError" if number % 20 == 1 else None,
        )
        if number % 3 == 0:
            yield Observation(kind="feedback", request_id=request, at=NOW, quality=float(number % 2 == 0))


@pytest.fixture
def rollout(tmp_path: Path) -> Rollout:
    return Rollout.create("tickets", base="local:a", tuned="local:b", store=tmp_path, clock=FakeClock(NOW))


def test_the_sample_is_the_same_for_everybody_and_half_of_it_is_doubtful(rollout: Rollout, serve) -> None:
    serve(rollout, [*traffic(600), *traffic(600, days_ago=20)])
    sample = ft.monitor(rollout).weekly_sample(100)
    assert sample == ft.monitor(rollout).weekly_sample(100, week=MONDAY)
    assert (sample.week, sample.served, len(sample.requests)) == ("2027-W02", 300, 100)
    reasons = [request.why for request in sample.requests]
    assert reasons.count("random") == 50
    assert reasons.count("failed: TimeoutError") == 30
    assert reasons.count("feedback 0") == 20
    assert all(request.request_id.startswith("1-") for request in sample.requests)
    assert [request.at for request in sample.requests] == sorted(request.at for request in sample.requests)
    assert rollout.audit[-1].kind == "sample"


def test_a_larger_sample_contains_the_smaller_one(rollout: Rollout, serve) -> None:
    serve(rollout, traffic(600))
    watch = ft.monitor(rollout)
    small, large = (watch.weekly_sample(n, uncertain=0.0) for n in (50, 200))
    assert {each.request_id for each in small.requests} < {each.request_id for each in large.requests}


def test_few_answers_are_all_taken_and_none_is_an_empty_sample(rollout: Rollout, serve) -> None:
    assert ft.monitor(rollout).weekly_sample(100).requests == ()
    serve(rollout, traffic(20))
    assert len(ft.monitor(rollout).weekly_sample(100).requests) == 10


@pytest.mark.parametrize(("n", "uncertain"), [(0, 0.5), (10, 1.5), (10, -0.1)])
def test_an_impossible_sample_is_refused(rollout: Rollout, n: int, uncertain: float) -> None:
    with pytest.raises(UsageError):
        ft.monitor(rollout).weekly_sample(n, uncertain=uncertain)


def test_this_week_is_held_against_the_weeks_before(rollout: Rollout, serve) -> None:
    serve(rollout, [*traffic(600, days_ago=20), *traffic(400, latency=3.0)])
    report = ft.monitor(rollout).drift()
    assert report.drifted == ("latency",)
    assert rollout.audit[-1].body == {"state": "drift", "features": ["latency"], "days": 7}


def test_what_is_asked_now_is_held_against_the_training_data(story) -> None:
    report = ft.monitor(story.rollout).drift(story.train, recent=story.test)
    assert report.state == "insufficient_data"
    assert {feature.name for feature in report.features} == {
        "answer_characters",
        "label",
        "prompt_characters",
        "script",
    }


def test_retirements_name_the_tuned_model_its_base_and_the_way_back(story) -> None:
    found = {each.role: each for each in ft.monitor(story.rollout).retirements()}
    assert set(found) == {"tuned", "base", "rollback"}
    assert found["tuned"].model == str(story.job.model.reference)
    assert all(each.urgency == "none announced" for each in found.values())


def test_fresh_rows_are_evaluated_once_and_held_against_the_look_before(story, requests_numbered) -> None:
    watch = ft.monitor(story.rollout)
    fresh = requests_numbered(range(200, 260))
    first = watch.reevaluate(fresh)
    assert first.before is not None, "the comparison before the rollout stands for a first look"
    assert first.before.dataset == story.test.fingerprint
    assert first.change is not None
    assert first.change.low <= first.look.tuned.value - first.before.tuned.value <= first.change.high
    assert story.rollout.audit[-1].kind == "evaluate"
    assert reevaluation.kept(story.rollout.audit) == (first,)
    second = watch.reevaluate(requests_numbered(range(300, 360)))
    assert second.before == first.look
    with pytest.raises(UsageError, match="fresh ones"):
        watch.reevaluate(fresh)
    with pytest.raises(LeakError):
        watch.reevaluate(story.train)
    told = watch.recommendation()
    assert story.rollout.audit[-1].body["answer"] == told.answer
    assert {signal.name for signal in told.signals} == {"drift", "quality", "labels", "feedback", "retirement"}
    assert f"--provider local --model {story.job.base.reference.model}" in str(told) or told.answer != "yes"
