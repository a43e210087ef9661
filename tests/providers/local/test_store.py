from finetuner.providers.ports import JobEvent


def test_a_torn_event_is_passed_over(bench):
    """What a killed process left unfinished hides neither earlier nor later events."""
    job = bench.run(hyperparameters={"epochs": 1})
    folder = bench.job(job.id)
    before = folder.events()
    with (folder.path / "events.jsonl").open("ab") as file:
        file.write(b'\n{"id": "", "crea')
    folder.add_event(JobEvent(id="", created_at=before[-1].created_at, message="later"))
    after = folder.events()
    assert after[:-1] == before
    assert (after[-1].message, after[-1].id) == ("later", f"ftevent-{len(after)}")


def test_jobs_are_listed_newest_first(bench):
    file = bench.request().training_file
    ids = [bench.run(training_file=file, hyperparameters={"epochs": 1}, seed=seed).id for seed in range(2)]
    assert [job.id for job in bench.provider.trainer.list()] == ids[::-1]
    assert [job.id for job in bench.provider.trainer.list(limit=1)] == ids[1:]


def test_a_model_that_succeeded_is_listed(bench):
    job = bench.run(hyperparameters={"epochs": 1})
    assert tuple(bench.store.tuned_models()) == (job.tuned_model,)
