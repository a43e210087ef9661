"""What every trainer must do, as tests."""

import time
import unittest
from collections.abc import Callable
from functools import partial

import attrs

from finetuner.errors import NotFoundError, ProviderError
from finetuner.providers.ports import FAILED, PAUSED, TERMINAL
from finetuner.testing.subject import Subject, capability, raised, trainer_of


class JobsContract(Subject):
    """The part of the suite about jobs."""

    def test_unknown_job_is_not_found(self) -> None:
        """Whatever is asked of a job that isn't there raises `NotFoundError`."""
        provider = self.make_provider()
        trainer, pauser = trainer_of(provider), provider.pauser
        asks: tuple[Callable[[str], object], ...] = (trainer.get, trainer.events, trainer.checkpoints, trainer.cancel)
        for ask in (*asks, *((pauser.pause, pauser.resume) if pauser is not None else ())):
            raised(NotFoundError, partial(ask, self.unknown_job))

    def test_unknown_base_model_is_refused(self) -> None:
        """A job on a model that isn't there raises a `ProviderError` that may not be retried."""
        provider = self.make_provider()
        request = attrs.evolve(self.request(provider), model="no-such-model")
        error = raised(ProviderError, lambda: trainer_of(provider).create(request))
        assert not error.retryable, "sending it again won't help"

    def test_job_runs_to_its_end(self) -> None:
        """A valid job ends, keeps its identity, and says what came out."""
        provider = self.make_provider()
        trainer = trainer_of(provider)
        request = self.request(provider)
        created = trainer.create(request)
        job = self.finished(trainer, created.id)
        assert job.id == created.id, "the id changed"
        assert job.status in TERMINAL, f"{job.status!r} isn't terminal"
        assert (job.failure is not None) == (job.status == FAILED), f"status {job.status}, failure {job.failure}"
        assert job.tuned_model, "a succeeded job names its model"
        assert job.finished_at is not None, "an ended job says when"
        assert job.finished_at >= job.created_at, "it ended before it was created"
        assert trainer.get(job.id).status == job.status, "a terminal status changed"
        assert job.id in [listed.id for listed in trainer.list()], "list() leaves it out"

    def test_events_are_oldest_first(self) -> None:
        """Events come in the order in which they happened, each with an id of its own."""
        provider = self.make_provider()
        trainer = trainer_of(provider)
        job = self.finished(trainer, trainer.create(self.request(provider)).id)
        events = trainer.events(job.id)
        times = [event.created_at for event in events]
        assert events, "a finished job has events"
        assert times == sorted(times), "events aren't oldest first"
        assert len({event.id for event in events}) == len(events), "events share ids"

    def test_checkpoints_are_earliest_first(self) -> None:
        """Checkpoints come by step, each with a model of its own."""
        provider = self.make_provider()
        trainer = trainer_of(provider)
        job = self.finished(trainer, trainer.create(self.request(provider)).id)
        checkpoints = trainer.checkpoints(job.id)
        steps = [checkpoint.step for checkpoint in checkpoints]
        assert steps == sorted(steps), f"steps aren't in order: {steps}"
        assert len({checkpoint.model for checkpoint in checkpoints}) == len(checkpoints), "checkpoints share models"

    def test_job_is_found_by_its_key(self) -> None:
        """After a lost answer the job is found again; another key finds nothing."""
        provider = self.make_provider()
        trainer = trainer_of(provider)
        created = trainer.create(self.request(provider, key="contract-key-1"))
        found = trainer.find("contract-key-1")
        assert found is not None, "the job isn't found by its key"
        assert found.id == created.id, "another job has the key"
        assert trainer.find("contract-key-2") is None, "a job is found by a key that nobody used"
        trainer.cancel(created.id)
        self.finished(trainer, created.id)

    def test_cancelling_twice_is_no_error(self) -> None:
        """Cancelling is idempotent, and changes nothing about an ended job."""
        provider = self.make_provider()
        trainer = trainer_of(provider)
        job = trainer.create(self.request(provider))
        trainer.cancel(job.id)
        trainer.cancel(job.id)
        ended = self.finished(trainer, job.id)
        assert trainer.cancel(job.id).status == ended.status, "cancelling changed an ended job"

    def test_resubmitting_under_another_key_is_another_job(self) -> None:
        """A key belongs to one submission: the same training under another key is a job of its own."""
        provider = self.make_provider()
        trainer, request = trainer_of(provider), self.request(provider, key="contract-first")
        first = trainer.create(request)
        second = trainer.create(attrs.evolve(request, key="contract-second"))
        assert first.id != second.id, "two submissions share a job"
        for key, job in (("contract-first", first), ("contract-second", second)):
            found = trainer.find(key)
            assert found is not None, f"the job isn't found by its key {key}"
            assert found.id == job.id, f"another job has the key {key}"
            trainer.cancel(job.id)
            self.finished(trainer, job.id)

    def test_newest_jobs_are_listed_first(self) -> None:
        """`list` gives as many jobs as asked for, the newest first."""
        provider = self.make_provider()
        trainer = trainer_of(provider)
        made = [trainer.create(self.request(provider)) for _ in range(2)]
        listed = trainer.list(1)
        assert len(listed) == 1, f"asked for one job, got {len(listed)}"
        times = [job.created_at for job in trainer.list(10)]
        assert times == sorted(times, reverse=True), "jobs aren't newest first"
        for job in made:
            trainer.cancel(job.id)
            self.finished(trainer, job.id)

    def test_paused_job_has_not_ended_and_goes_on(self) -> None:
        """A job that is asked to pause doesn't end by it, and one that is resumed can be cancelled."""
        provider = self.make_provider()
        trainer, pauser = trainer_of(provider), capability(provider.pauser, "pauser")
        job = trainer.create(self.long_request(provider))
        paused = pauser.pause(job.id)
        assert not paused.ended, f"pausing ended the job: {paused.status}"
        deadline = time.monotonic() + self.wait_seconds
        while (seen := trainer.get(job.id)).status != PAUSED and not seen.ended and time.monotonic() < deadline:
            time.sleep(self.poll_seconds)
        assert seen.status == PAUSED, f"a paused job is {seen.status!r}"
        assert not pauser.resume(job.id).ended, "resuming ended the job"
        trainer.cancel(job.id)
        self.finished(trainer, job.id)

    def test_strange_status_is_shown_and_has_not_ended(self) -> None:
        """A status that nobody has heard of is passed on as it is, and is no reason to stop waiting."""
        arranged = self.in_strange_status()
        if arranged is None:
            raise unittest.SkipTest("the suite arranges no strange status")
        provider, job_id = arranged
        job = trainer_of(provider).get(job_id)
        assert job.status not in TERMINAL, f"{job.status!r} was taken for an end"
        assert not job.ended, f"{job.status!r} was taken for an end"
        assert job.failure is None, "a job that hasn't failed has no failure"
