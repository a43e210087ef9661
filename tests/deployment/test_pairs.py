"""Both answers to a shadowed request are scored once, and the report counts what was said."""

from pathlib import Path

import pytest

from finetuner.deployment import observations
from finetuner.deployment.attempts import RouterOptions
from finetuner.deployment.pairs import Pair, pairs, score
from finetuner.deployment.rollout import Rollout
from finetuner.deployment.router import Router
from finetuner.errors import UsageError


@pytest.fixture
def rollout(tmp_path: Path) -> Rollout:
    """With ten shadowed requests, of which tuned failed one."""
    rollout = Rollout.create("faq", base="a:base", tuned="a:tuned", store=tmp_path)
    rollout.shadow(1.0)

    def tuned(prompt: str, _options: object) -> str:
        if prompt == "p3":
            raise RuntimeError("down")
        return f"new {prompt}"

    rules = RouterOptions(texts="pairs")
    with Router(rollout, base=lambda prompt, _: f"old {prompt}", tuned=tuned, options=rules) as router:
        for number in range(10):
            router.complete(f"p{number}", unit=number)
    return rollout


def test_only_answered_pairs_are_scored_and_each_once(rollout: Rollout) -> None:
    asked: list[Pair] = []

    def scorer(pair: Pair) -> tuple[float, float]:
        asked.append(pair)
        return 0.5, 1.0

    assert [score(rollout, scorer, most=4), score(rollout, scorer), score(rollout, scorer)] == [4, 5, 0]
    assert {(pair.prompt, pair.base, pair.tuned) for pair in asked} == {
        (f"p{n}", f"old p{n}", f"new p{n}") for n in range(10) if n != 3
    }
    observations.fold(rollout.events_folder, rollout.journal, rollout.name)
    events = observations.folded(rollout.journal, rollout.name)
    verdicts = {event.request_id: event for event in events if event.kind == "verdict"}
    assert set(verdicts) == {pair.request_id for pair in asked}
    assert {(event.quality, event.tuned_quality) for event in verdicts.values()} == {(0.5, 1.0)}
    assert pairs(events) == ()


def test_a_scorer_that_gives_an_impossible_quality_is_refused(rollout: Rollout) -> None:
    with pytest.raises(UsageError, match=r"gave 1\.5 and 1"):
        score(rollout, lambda _: (1.5, 1.0))
