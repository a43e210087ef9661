import asyncio
import json

import pytest

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, Message, assistant, user
from finetuner.errors import InvalidDataError, UsageError
from finetuner.providers.catalog import BaseModel, Catalog, Prices
from finetuner.providers.ports import JobSnapshot
from finetuner.testing import FakeClock, ScriptedProvider
from finetuner.training.job import Job
from finetuner.training.retarget import converted, moved_spec

WEIGHTED = Example(messages=(user("q"), Message(role="assistant", content="a", weight=0), user("r"), assistant("b")))
INSTRUCTED = Example(messages=(Message(role="developer", content="be brief"), user("q"), assistant("a")))
PLAIN = [Example(messages=(user(f"question {n} about it"), assistant("ab"[n % 2]))) for n in range(20)]
VALID = [Example(messages=(user(f"other {n} about it"), assistant("ab"[n % 2]))) for n in range(10)]
NEW = Catalog(
    provider="elsewhere",
    models=(BaseModel(id="elsewhere:new", methods=("supervised", "preference"), prices=Prices(training=2.0)),),
)


@pytest.fixture
def old(tmp_path):
    return Job.create(
        Dataset.from_examples(PLAIN),
        validation=Dataset.from_examples(VALID),
        provider=ScriptedProvider(),
        model="scripted-base",
        epochs=2,
        seed=7,
        suffix="tickets",
        learning_rate_multiplier=0.5,
        workspace=tmp_path,
    ).wait(clock=FakeClock())


@pytest.fixture
def elsewhere():
    return ScriptedProvider(name="elsewhere", catalog=NEW)


class TestConversion:
    def test_what_comes_back_as_it_was_is_exact(self):
        found = converted(Dataset.from_examples(PLAIN), "vertex")
        assert (found.examples, found.exact, found.n_refused) == (20, 20, 0)
        assert str(found) == "20 examples as vertex: 20 exactly"

    def test_what_is_lost_or_refused_is_counted_and_named(self):
        found = converted(Dataset.from_examples([*PLAIN, WEIGHTED, INSTRUCTED]), "vertex")
        assert (found.exact, found.changed, found.n_refused) == (20, {"role": 1}, 1)
        assert str(found).startswith(
            "22 examples as vertex: 20 exactly, 1 changed in role, 1 not at all (line 21: messages"
        )


class TestSettings:
    def test_epochs_seed_and_suffix_mean_the_same_everywhere_scales_do_not(self, elsewhere):
        source = JobSnapshot(
            id="j", model="m", status="succeeded", created_at=0.0, seed=7, suffix="s",
            hyperparameters={"epochs": 4, "batch_size": 8, "learning_rate_multiplier": "auto"},
        )  # fmt: skip
        spec, dropped = moved_spec(source, elsewhere, "new", {})
        assert (spec.model, spec.epochs, spec.seed, spec.suffix, spec.batch_size) == ("new", 4, 7, "s", None)
        (reason,) = dropped
        assert reason.startswith("batch_size 8 (each provider has a scale of its own")
        spec, dropped = moved_spec(source, elsewhere, "new", {"epochs": 1, "batch_size": 2})
        assert (spec.epochs, spec.batch_size, dropped) == (1, 2, ())

    def test_pairs_are_trained_by_whatever_name_the_target_has(self, elsewhere):
        source = JobSnapshot(id="j", model="m", status="succeeded", created_at=0.0, method="dpo")
        assert moved_spec(source, elsewhere, "new", {})[0].method == "preference"


class TestMove:
    def test_one_call_moves_data_and_settings_and_says_what_changed(self, old, elsewhere):
        new = old.retarget(elsewhere, model="elsewhere:new")
        (request,) = elsewhere.trainer.requests
        assert (request.model, request.seed, request.suffix) == ("new", 7, "tickets")
        assert dict(request.hyperparameters) == {"epochs": 2}
        assert (new.training_fingerprint, new.validation_fingerprint) == (
            old.training_fingerprint,
            old.validation_fingerprint,
        )
        lines = str(new.moved).splitlines()
        assert lines[0] == f"Move: {old.id} from scripted:scripted-base to elsewhere:new"
        assert lines[1] == "Data: 20 examples as openai: 20 exactly"
        assert lines[2] == "Settings: method supervised, epochs 2, seed 7, suffix tickets"
        assert lines[3].startswith("Not moved: learning_rate_multiplier 0.5")
        assert any(line.startswith("Training cost: $") for line in lines)
        assert new.wait(clock=FakeClock()).moved == new.moved

    def test_it_is_exactly_once_like_every_creation(self, old, elsewhere):
        first, second = old.retarget(elsewhere, model="new"), old.retarget(elsewhere, model="new")
        assert first.id == second.id
        assert second.existing

    def test_without_blocking_it_is_the_same(self, old, elsewhere):
        assert asyncio.run(old.retarget_async(elsewhere, model="new")).moved.target == "elsewhere:new"

    def test_a_plan_sends_nothing(self, old, elsewhere):
        move = old.plan_retarget(elsewhere, model="new")
        assert move.cost.usd > 0
        assert elsewhere.trainer.requests == []

    def test_another_process_finds_the_data_in_the_workspace(self, old, elsewhere, tmp_path):
        again = Job.get(old.id, provider=old._connection, workspace=tmp_path)
        assert again.retarget(elsewhere, model="new").training_fingerprint == old.training_fingerprint

    def test_data_that_is_not_here_is_asked_for_and_taken(self, old, elsewhere, tmp_path):
        for path in (tmp_path / "uploads").iterdir():
            path.unlink()
        with pytest.raises(UsageError, match="isn't in this workspace; give training="):
            old.retarget(elsewhere, model="new")
        path = tmp_path / "again.jsonl"
        rows = [{"messages": [{"role": m.role, "content": m.content} for m in each.messages]} for each in PLAIN]
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        new = old.retarget(elsewhere, model="new", training=path)
        assert new.training_fingerprint == old.training_fingerprint
        assert any("validation data" in what for what in new.moved.dropped)

    def test_examples_that_the_target_cannot_hold_are_refused_before_anything_is_sent(self, old):
        target = ScriptedProvider(name="elsewhere", catalog=NEW)
        object.__setattr__(target, "formats", ("vertex",))
        data = Dataset.from_examples([*PLAIN, WEIGHTED])
        with pytest.raises(InvalidDataError, match=r"nothing was sent: 1 of 21 examples .* line 21: .*weight"):
            old.retarget(target, model="new", training=data)
        assert target.trainer.requests == []
