"""Each finding with the message that a user reads."""

from datetime import date

import pytest

from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.errors import InvalidDataError, TrainingNotAvailableError
from finetuner.providers.catalog import BaseModel, Catalog
from finetuner.providers.ports import Finding, JobRequest, JobSnapshot
from finetuner.records.jobs import CREATED, JobRecord
from finetuner.testing import ScriptedProvider
from finetuner.training.preflight import preflight, refuse_errors, similar_jobs
from finetuner.training.spec import TrainingSpec

DAY = date(2026, 11, 24)


def examples(n=60, start=0):
    return Dataset.from_examples(
        [Example(messages=(user(f"question {row}"), assistant("ab"[row % 2]))) for row in range(start, start + n)]
    )


def model(**changes):
    return BaseModel(id="scripted:m", source="the provider's page", **({"methods": ("supervised",)} | changes))


def looked_at(*models, method="supervised", name="m", data=None, validation=None, **options):
    provider = ScriptedProvider(catalog=Catalog(provider="scripted", models=models))
    spec = TrainingSpec(model=name, method=method)
    return preflight(provider, spec, data, validation, DAY, **options)


class Advisor:
    def __init__(self, *findings):
        self.findings = findings

    def advise(self, *_):
        return self.findings


class TestTheModel:
    def test_a_retired_model_is_refused_and_others_are_named(self):
        (found,) = looked_at(model(retires=date(2026, 10, 23)), BaseModel(id="scripted:new", methods=("supervised",)))
        assert (found.severity, found.code) == ("error", "model_retired")
        assert found.message == "m retired on 2026-10-23, tuned models built on it included (the provider's page)"
        assert found.fix == "choose one of new"

    def test_the_day_of_retirement_is_too_late(self):
        (found,) = looked_at(model(retires=DAY), model(retires=DAY))
        assert found.severity == "error"

    def test_a_model_that_takes_no_more_jobs_is_refused(self):
        (found,) = looked_at(model(retires=date(2027, 1, 14), training_ends=date(2026, 11, 23)))
        assert found.code == "training_closed"
        assert "has taken no training jobs since 2026-11-23" in found.message
        assert "another provider" in found.fix

    def test_dates_that_sources_contradict_are_a_warning(self):
        (found,) = looked_at(model(retires=date(2026, 10, 23), uncertain=True))
        assert (found.severity, found.code) == ("warning", "model_retired")
        assert "other sources name another date, and the service decides" in found.message

    def test_a_model_that_answers_only_is_refused(self):
        (found,) = looked_at(model(methods=()))
        assert (found.code, found.severity) == ("not_tunable", "error")

    @pytest.mark.parametrize(("retires", "warned"), [(date(2027, 5, 23), True), (date(2027, 5, 24), False)])
    def test_retirement_within_180_days_is_warned_of(self, retires, warned):
        findings = looked_at(model(retires=retires))
        assert bool(findings) is warned
        if warned:
            assert findings[0].severity == "warning"
            assert "retires on 2027-05-23, in 180 days, and a model tuned on it with it" in findings[0].message

    def test_the_horizon_can_be_moved(self):
        assert looked_at(model(retires=date(2027, 5, 23)), horizon_days=90) == ()

    def test_a_method_that_the_model_lacks_is_refused_and_names_of_pairs_are_one(self):
        (found,) = looked_at(model(), method="dpo")
        assert found.message == "m can't be trained by 'dpo', only by supervised"
        assert looked_at(model(methods=("preference",)), method="dpo") == ()

    def test_an_unknown_model_is_warned_of_where_the_catalog_knows_any(self):
        (found,) = looked_at(model(), name="other")
        assert (found.severity, found.code) == ("warning", "unknown_model")
        assert "tunable on 2026-11-24: m" in found.fix
        assert looked_at(name="other") == ()

    def test_dates_are_said_once_although_rules_and_advisors_know_them_too(self):
        from finetuner.providers.openai import connect

        findings = preflight(
            connect(api_key="any"), TrainingSpec(model="gpt-4.1-mini-2025-04-14"), examples(), None, DAY
        )
        assert [finding.code for finding in findings].count("model_retires_soon") == 1
        assert not {"base_retires", "base_retired"} & {finding.code for finding in findings}


class TestTheData:
    def test_each_kind_of_problem_is_told_once_with_its_first_place_and_number(self):
        broken = Dataset.from_examples([Example(messages=(user("a question without an answer"),))] * 12)
        provider = ScriptedProvider(name="openai", catalog=Catalog(provider="openai"))
        findings = preflight(provider, TrainingSpec(model="m"), broken, None, DAY)
        (found,) = [finding for finding in findings if finding.severity == "error"]
        assert found.message.startswith("training data: line 1: messages")
        assert found.message.endswith("(and 11 more like it)")
        assert found.fix

    def test_prompts_in_both_parts_are_warned_of(self):
        (found,) = looked_at(model(), data=examples(), validation=examples(20, start=50))
        assert found.message == "10 prompts are in the training and the validation data"

    def test_what_only_the_provider_knows_is_asked_unless_the_job_is_refused_anyway(self):
        quota = Finding(severity="error", code="quota", message="2 of 2 jobs are running", fix="wait for one of them")
        for entry, codes in ((model(), ["quota"]), (model(methods=()), ["not_tunable"])):
            provider = ScriptedProvider(catalog=Catalog(provider="scripted", models=(entry,)))
            object.__setattr__(provider, "advisor", Advisor(quota))
            assert [each.code for each in preflight(provider, TrainingSpec(model="m"), examples(), on=DAY)] == codes


class TestRefusal:
    def test_warnings_pass(self):
        refuse_errors((Finding(severity="warning", code="few", message="few"),))

    def test_all_errors_are_told_with_what_to_do(self):
        errors = tuple(Finding(severity="error", code=c, message=f"problem {c}", fix=f"do {c}") for c in "ab")
        with pytest.raises(
            InvalidDataError, match=r"nothing was sent: problem a \(do a\); problem b \(do b\)"
        ) as caught:
            refuse_errors(errors)
        assert caught.value.report == errors

    def test_a_closed_model_is_not_a_fault_of_the_data(self):
        with pytest.raises(TrainingNotAvailableError, match="retired"):
            refuse_errors(looked_at(model(retires=date(2026, 1, 1))))


class TestEarlierJobs:
    def record(self, status="succeeded", provider="scripted", **request):
        values = {"model": "m", "training_file": "f", "hyperparameters": {"epochs": 3}, "seed": 1, "key": "k"} | request
        return JobRecord(
            key="k",
            provider=provider,
            state=CREATED,
            job_id="ftjob-1",
            request=JobRequest(**values),
            snapshot=JobSnapshot(id="ftjob-1", model="m", status=status, created_at=0.0),
        )

    def test_a_job_on_the_same_data_is_offered_with_what_differs(self):
        spec = TrainingSpec(model="m", epochs=5, seed=1)
        (found,) = similar_jobs(spec, "scripted", (self.record(),))
        assert found.message == "ftjob-1 trained m on the same data with epochs 3: it succeeded"
        assert found.fix == "use it instead of paying again: fine-tuner-cc status ftjob-1"

    @pytest.mark.parametrize("other", [{"status": "failed"}, {"provider": "other"}, {"model": "n"}, {"method": "dpo"}])
    def test_failed_jobs_and_other_trainings_are_not(self, other):
        assert similar_jobs(TrainingSpec(model="m"), "scripted", (self.record(**other),)) == ()
