"""The real OpenAI SDK against the emulator, over loopback."""

import asyncio
import base64
import json
import threading
import time
import traceback

import attrs
import openai
import pytest

from finetuner._core.hashing import file_sha256
from finetuner.data.examples import MediaPart, Message, user
from finetuner.emulator import Emulator, Fault
from finetuner.emulator.faults import (
    LOST_CREATE,
    MODEL_NOT_AVAILABLE,
    TRAINING_NOT_AVAILABLE,
    rate_limit,
    server_error,
)
from finetuner.errors import (
    AuthenticationError,
    NotFoundError,
    ProviderConnectionError,
    ProviderError,
    ProviderTimeoutError,
    RateLimitError,
    RequestRejectedError,
    TrainingNotAvailableError,
    UnexpectedAnswerError,
)
from finetuner.providers.openai import connect
from finetuner.providers.ports import CANCELLED, FAILED, SUCCEEDED, CompletionOptions, JobRequest

CANARY = "sk-canary-0123456789abcdef"
BASE = "gpt-4.1-mini-2025-04-14"
OPTIONS = CompletionOptions()
ONCE = CompletionOptions(max_retries=0)


def request(sent, **changes):
    base = JobRequest(model=BASE, training_file=sent.id, hyperparameters={"epochs": 3})
    return attrs.evolve(base, **changes)


class TestTheWholeWay:
    def test_a_job_succeeds_and_its_model_is_named_as_openai_names_it(self, tuned):
        assert tuned.status == SUCCEEDED
        assert tuned.failure is None
        assert tuned.tuned_model.startswith(f"ft:{BASE}:acme:tickets:")
        assert tuned.trained_tokens > 0
        assert tuned.hyperparameters["epochs"] == 4

    def test_events_come_oldest_first_over_several_pages(self, provider, tuned):
        events = provider.trainer.events(tuned.id)
        times = [event.created_at for event in events]
        steps = [event.metrics["step"] for event in events if event.message.startswith("step")]
        assert times == sorted(times)
        assert steps == sorted(steps)
        assert events[0].message.startswith("Created fine-tuning job")
        assert len({event.id for event in events}) == len(events)
        assert tuned.tuned_model in events[-1].message

    def test_only_the_last_three_checkpoints_are_kept_and_each_answers(self, provider, tuned):
        checkpoints = provider.trainer.checkpoints(tuned.id)
        assert [each.step for each in checkpoints] == sorted(each.step for each in checkpoints)
        assert len(checkpoints) == 3
        for each in checkpoints:
            assert {"train_loss", "valid_loss", "valid_accuracy"} <= set(each.metrics)
            assert provider.completer.complete(each.model, [user("refund please")], OPTIONS).text == "billing"

    def test_the_model_answers(self, provider, tuned):
        answer = provider.completer.complete(tuned.tuned_model, [user("password lost")], OPTIONS)
        assert answer.text == "account"
        assert answer.model == tuned.tuned_model
        assert answer.finish_reason == "stop"
        assert answer.usage.prompt_tokens > 0
        assert answer.latency > 0
        assert answer.request_id.startswith("req_")

    def test_a_stream_ends_with_reason_and_usage(self, provider, tuned):
        *pieces, last = provider.completer.stream(tuned.tuned_model, [user("password lost")], OPTIONS)
        assert "".join(piece.text for piece in pieces) == "account"
        assert last.finish_reason == "stop"
        assert last.usage.total_tokens > 0

    def test_async_answers_in_two_loops_one_after_the_other(self, provider, tuned):
        """Connections belong to a loop and are closed with it: no warning, no broken second loop."""

        async def both():
            answers = await asyncio.gather(
                *(provider.completer.complete_async(tuned.tuned_model, [user("refund please")], OPTIONS) for _ in "ab")
            )
            stream = provider.completer.stream_async(tuned.tuned_model, [user("refund please")], OPTIONS)
            return [answer.text for answer in answers], "".join([chunk.text async for chunk in stream])

        for _ in range(2):
            assert asyncio.run(both()) == (["billing", "billing"], "billing")

    def test_threads_share_one_connection_safely(self, provider, tuned):
        answers = []
        threads = [
            threading.Thread(
                target=lambda: answers.append(
                    provider.completer.complete(tuned.tuned_model, [user("refund please")], OPTIONS).text
                )
            )
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == ["billing"] * 8

    def test_the_result_file_is_csv_in_base64(self, emulator, tuned):
        client = openai.OpenAI(base_url=emulator.url, api_key="any")
        job = client.fine_tuning.jobs.retrieve(tuned.id)
        rows = base64.b64decode(client.files.content(job.result_files[0]).read()).decode().splitlines()
        assert rows[0] == "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"
        assert len(rows) > 4
        client.close()


class TestModels:
    def test_unknown_models_are_not_found(self, provider):
        with pytest.raises(NotFoundError) as caught:
            provider.completer.complete("ft:gpt-4.1-mini-2025-04-14:acme::none", [user("hi")], OPTIONS)
        assert caught.value.code == "model_not_found"


class TestFiles:
    def test_a_large_file_is_sent_in_parts(self, emulator, training_path):
        provider = connect(base_url=emulator.url, api_key="any")
        flavour = attrs.evolve(provider.files.client.flavour, max_single_bytes=100)
        files = attrs.evolve(provider.files, client=attrs.evolve(provider.files.client, flavour=flavour))
        sent = files.upload(training_path, name="big.jsonl", sha256="")
        assert (sent.name, sent.bytes, sent.status) == ("big.jsonl", training_path.stat().st_size, "processed")

    def test_content_arrives_byte_for_byte(self, emulator, provider, tmp_path):
        content = b"--boundary\r\n\r\n\xff\x00\n--x--\r\n"
        path = tmp_path / "odd name.jsonl"
        path.write_bytes(content)
        sent = provider.files.upload(path, name=path.name, sha256=file_sha256(path))
        with openai.OpenAI(base_url=emulator.url, api_key="any") as client:
            assert client.files.content(sent.id).read() == content
        assert provider.files.get(sent.id).name == path.name

    def test_deleting_twice_is_no_error(self, provider, training_file):
        provider.files.delete(training_file.id)
        provider.files.delete(training_file.id)
        with pytest.raises(NotFoundError):
            provider.files.get(training_file.id)

    def test_a_missing_path_is_rejected(self, provider, tmp_path):
        with pytest.raises(RequestRejectedError, match="can't be read"):
            provider.files.upload(tmp_path / "none", name="none", sha256="")


class TestJobs:
    def test_a_lost_answer_is_found_again_and_there_is_exactly_one_job(self, emulator, provider, training_file):
        emulator.faults.add(LOST_CREATE)
        with pytest.raises(ProviderConnectionError):
            provider.trainer.create(request(training_file, key="lost"))
        found = provider.trainer.find("lost")
        assert found is not None
        assert found.key == "lost"
        assert sum(job.key == "lost" for job in provider.trainer.list(100)) == 1
        provider.trainer.cancel(found.id)

    def test_a_slow_answer_is_a_time_out_and_the_job_is_found(self, emulator, training_file):
        provider = connect(base_url=emulator.url, api_key="any", timeout=0.2)
        emulator.faults.add(Fault(path="/fine_tuning/jobs", delay=1.0))
        with pytest.raises(ProviderTimeoutError):
            provider.trainer.create(request(training_file, key="slow"))
        found = connect(base_url=emulator.url, api_key="any").trainer.find("slow")
        assert found is not None
        assert sum(job.key == "slow" for job in provider.trainer.list(100)) == 1

    def test_a_job_is_never_sent_twice(self, emulator, provider, training_file):
        """The SDK would retry a 500: one order of the fault must be enough to see it."""
        emulator.faults.add(server_error(path="/fine_tuning/jobs"))
        with pytest.raises(UnexpectedAnswerError):
            provider.trainer.create(request(training_file, key="broken"))
        assert provider.trainer.find("broken") is None

    def test_an_unknown_key_finds_nothing(self, provider):
        assert provider.trainer.find("nobody") is None
        assert provider.trainer.find("") is None

    def test_cancelling_an_ended_job_gives_it_as_it_is(self, provider, tuned):
        assert provider.trainer.cancel(tuned.id).status == SUCCEEDED

    def test_too_few_examples_fail_with_openais_code(self, provider, tmp_path):
        path = tmp_path / "few.jsonl"
        line = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
        path.write_text((json.dumps(line) + "\n") * 3)
        sent = provider.files.upload(path, name="few.jsonl", sha256=file_sha256(path))
        job = provider.trainer.get(provider.trainer.create(request(sent)).id)
        assert job.status == FAILED
        assert job.failure.code == "invalid_n_examples"
        assert job.failure.param == "training_file"

    def test_unreadable_lines_fail_with_their_number(self, provider, tmp_path):
        path = tmp_path / "bad.jsonl"
        line = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
        path.write_text(f"{json.dumps(line)}\nnot json\n")
        sent = provider.files.upload(path, name="bad.jsonl", sha256=file_sha256(path))
        job = provider.trainer.get(provider.trainer.create(request(sent)).id)
        assert job.failure.code == "invalid_training_file"
        assert "line 2" in job.failure.message

    @pytest.mark.parametrize(
        ("changes", "param"),
        [
            ({"hyperparameters": {"epochs": 51}}, "method.supervised.hyperparameters.n_epochs"),
            ({"seed": -1}, "seed"),
            ({"suffix": "x" * 65}, "suffix"),
            ({"training_file": "file-none"}, "training_file"),
        ],
    )
    def test_what_is_out_of_range_is_rejected_by_name(self, provider, training_file, changes, param):
        with pytest.raises(RequestRejectedError, match=f"parameter {param}"):
            provider.trainer.create(request(training_file, **changes))

    def test_a_job_is_paused_resumed_and_cancelled(self, provider, training_file):
        job = provider.trainer.create(request(training_file, hyperparameters={"epochs": 50, "batch_size": 1}))
        paused = provider.pauser.pause(job.id)
        assert paused.raw_status in {"pausing", "paused"}
        assert not paused.ended
        deadline = time.monotonic() + 30
        while provider.trainer.get(job.id).raw_status == "pausing" and time.monotonic() < deadline:
            time.sleep(0.02)
        assert provider.trainer.get(job.id).status == "paused"
        assert not provider.pauser.resume(job.id).ended
        provider.trainer.cancel(job.id)
        while not provider.trainer.get(job.id).ended and time.monotonic() < deadline:
            time.sleep(0.02)
        assert provider.trainer.get(job.id).status == CANCELLED

    def test_a_job_goes_on_without_its_file(self, emulator, provider, training_file):
        job = provider.trainer.create(request(training_file))
        provider.files.delete(training_file.id)
        with openai.OpenAI(base_url=emulator.url, api_key="any") as client:
            deadline = time.monotonic() + 30
            while not provider.trainer.get(job.id).ended and time.monotonic() < deadline:
                time.sleep(0.02)
            done = provider.trainer.get(job.id)
            assert done.status == SUCCEEDED
            assert done.tuned_model in {model.id for model in client.models.list()}
            assert client.models.retrieve(done.tuned_model).owned_by == "acme"
            assert client.models.delete(done.tuned_model).deleted
        with pytest.raises(NotFoundError):
            provider.completer.complete(done.tuned_model, [user("refund please")], OPTIONS)


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "kind", "retryable"),
        [
            (400, RequestRejectedError, False),
            (401, AuthenticationError, False),
            (403, AuthenticationError, False),
            (404, NotFoundError, False),
            (408, ProviderTimeoutError, True),
            (409, RequestRejectedError, True),
            (413, RequestRejectedError, False),
            (422, RequestRejectedError, False),
            (429, RateLimitError, True),
            (500, UnexpectedAnswerError, True),
            (503, UnexpectedAnswerError, True),
        ],
    )
    def test_each_status_becomes_one_of_our_errors(self, emulator, provider, status, kind, retryable):
        fault = Fault(status=status, code="a_code", message=f"No: Incorrect key {CANARY} or {CANARY[:12]}*****89")
        emulator.faults.add(fault)
        with pytest.raises(ProviderError) as caught:
            provider.completer.complete(BASE, [user("hi")], ONCE)
        error = caught.value
        assert type(error) is kind
        assert (error.provider, error.code, error.retryable) == ("openai", "a_code", retryable)
        assert error.request_id.startswith("req_")
        shown = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
        assert CANARY not in shown
        assert CANARY[:12] not in shown

    def test_retry_after_is_passed_on(self, emulator, provider):
        emulator.faults.add(rate_limit(7))
        with pytest.raises(RateLimitError) as caught:
            provider.completer.complete(BASE, [user("hi")], ONCE)
        assert caught.value.retry_after == 7.0

    def test_answers_are_retried_but_only_as_often_as_allowed(self, emulator, provider, tuned):
        emulator.faults.add(rate_limit(0.01, path="/chat/completions"), times=2)
        answer = provider.completer.complete(tuned.tuned_model, [user("refund please")], OPTIONS)
        assert answer.text == "billing"

    def test_a_locked_out_organization_is_told_what_else_there_is(self, emulator, provider, training_file):
        emulator.faults.add(TRAINING_NOT_AVAILABLE)
        with pytest.raises(TrainingNotAvailableError) as caught:
            provider.trainer.create(request(training_file))
        assert caught.value.code == "training_not_available"
        assert "local" in str(caught.value)
        assert "2027-01-05" in str(caught.value)

    def test_a_model_that_is_not_available_is_named(self, emulator, provider, training_file):
        emulator.faults.add(MODEL_NOT_AVAILABLE)
        with pytest.raises(RequestRejectedError, match="parameter model") as caught:
            provider.trainer.create(request(training_file))
        assert caught.value.code == "model_not_available"

    def test_nobody_listens(self):
        provider = connect(base_url="http://user:secret@127.0.0.1:9/v1", api_key=CANARY)
        with pytest.raises(ProviderConnectionError) as caught:
            provider.completer.complete(BASE, [user("hi")], ONCE)
        assert "127.0.0.1:9" in str(caught.value)
        assert "secret" not in str(caught.value) + repr(provider)
        assert CANARY not in repr(provider)

    def test_without_a_key_the_error_says_how_to_give_one(self, monkeypatch):
        monkeypatch.delenv("OPENAI_API_KEY", raising=False)
        with pytest.raises(AuthenticationError, match="OPENAI_API_KEY"):
            connect(base_url="http://127.0.0.1:9/v1").trainer.get("ftjob-1")

    def test_a_wrong_token_is_refused(self, tmp_path):
        with Emulator(workspace=tmp_path, token="right") as guarded:
            with pytest.raises(AuthenticationError):
                connect(base_url=guarded.url, api_key="wrong").trainer.list()
            assert connect(base_url=guarded.url, api_key="right").trainer.list() == ()

    def test_files_in_cloud_storage_are_refused_before_sending(self, provider):
        message = Message(role="user", content=(MediaPart("gs://bucket/image.png"),))
        with pytest.raises(RequestRejectedError, match="Cloud Storage"):
            provider.completer.complete(BASE, [message], OPTIONS)

    def test_a_stream_that_breaks_raises_our_error(self, emulator, provider):
        emulator.faults.add(Fault(drop=True))
        with pytest.raises(ProviderConnectionError):
            list(provider.completer.stream(BASE, [user("hi")], ONCE))
