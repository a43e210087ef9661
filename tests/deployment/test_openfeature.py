"""A flag service supplies the arm, by the real OpenFeature SDK."""

from collections.abc import Iterator

import attrs
import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

from finetuner.deployment.openfeature import flag_arms
from finetuner.deployment.snapshot import Snapshot
from finetuner.deployment.state import RolloutState

STATE = RolloutState(
    name="faq", base="a:b", tuned="a:t", salt="s", shadow_salt="x", share=0.5, created_at=0.0, stage_started_at=0.0
)


def by_unit(flag: InMemoryFlag, context: EvaluationContext) -> FlagResolutionDetails:
    variant = "tuned" if str(context.targeting_key).startswith("t") else "base"
    return FlagResolutionDetails(value=flag.variants[variant], variant=variant, reason=Reason.TARGETING_MATCH)


@pytest.fixture
def client() -> Iterator[OpenFeatureClient]:
    variants = {"base": "base", "tuned": "tuned", "odd": "treatment"}
    flags = {
        "arm": InMemoryFlag("base", variants, context_evaluator=by_unit),
        "odd": InMemoryFlag("odd", variants),
    }
    api.set_provider(InMemoryProvider(flags))
    yield api.get_client()
    api.shutdown()


def test_the_flag_decides_by_unit(client: OpenFeatureClient) -> None:
    arms, snapshot = flag_arms(client, "arm"), Snapshot(STATE)
    assert [snapshot.assign(unit, None, arms).arm for unit in ("t1", "b1")] == ["tuned", "base"]
    assert snapshot.assign("t1", None, arms).by_chance


@pytest.mark.parametrize("flag", ["missing", "odd"])
def test_a_flag_that_says_nothing_useful_gets_base_unanalyzed(client: OpenFeatureClient, flag: str) -> None:
    found = Snapshot(STATE).assign("t1", None, flag_arms(client, flag))
    assert (found.arm, found.reason, found.by_chance) == ("base", "flag-failed", False)


def test_a_rollback_goes_before_the_flag(client: OpenFeatureClient) -> None:
    rolled_back = Snapshot(attrs.evolve(STATE, share=0.0))
    assert rolled_back.assign("t1", None, flag_arms(client, "arm")).arm == "base"
