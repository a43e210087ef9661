"""The vertex provider through Google's own clients over loopback, against the emulator."""

import asyncio
import json
import math
import os
import threading
import time
import traceback

import attrs
import pytest

from finetuner._core.hashing import file_sha256
from finetuner.data.examples import Message, TextPart, system, user
from finetuner.emulator import Emulator, Fault
from finetuner.errors import (
    AuthenticationError,
    NotFoundError,
    ProviderConnectionError,
    ProviderError,
    ProviderTimeoutError,
    RateLimitError,
    RequestRejectedError,
    UnexpectedAnswerError,
    UsageError,
)
from finetuner.providers.ports import FAILED, SUCCEEDED, CompletionOptions, JobRequest
from finetuner.providers.vertex import connect
from finetuner.providers.vertex.storage import open_gs
from finetuner.testing import ProviderContract

BASE = "gemini-3.5-flash"
CANARY = "ya29.canary-0123456789abcdef"
OPTIONS = CompletionOptions()
ONCE = CompletionOptions(max_retries=0)
JOBS = "(/v1beta1)?/projects/[^/]+/locations/[^/]+/tuningJobs"
JOB = f"{JOBS}/[^/]+"
ASK = "/projects/.*:(generateContent|streamGenerateContent)"


@pytest.fixture
def emulator(shared_emulator, monkeypatch):
    shared_emulator.faults.clear()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", shared_emulator.address)
    yield shared_emulator
    shared_emulator.faults.clear()


def connected(emulator, **options):
    given = {"project": "acme", "bucket": "gs://acme-data/tuning", "access_token": CANARY}
    return connect(endpoint=emulator.address, **{**given, **options})


@pytest.fixture
def provider(emulator):
    return connected(emulator)


def line(text, label):
    contents = [{"role": "user", "parts": [{"text": text}]}, {"role": "model", "parts": [{"text": label}]}]
    return json.dumps({"contents": contents}) + "\n"


def write(path, pairs):
    path.write_text("".join(line(text, label) for text, label in pairs))
    return path


@pytest.fixture
def training_path(tmp_path):
    pairs = (("refund please", "billing"), ("password lost", "account"))
    return write(tmp_path / "train.jsonl", [(f"{text} {n}", label) for n in range(12) for text, label in pairs])


def sent(provider, path):
    return provider.files.upload(path, name=path.name, sha256=file_sha256(path))


@pytest.fixture
def training_file(provider, training_path):
    return sent(provider, training_path)


def request(file, **changes):
    return attrs.evolve(JobRequest(model=BASE, training_file=file.id, hyperparameters={"epochs": 2}), **changes)


def finished(provider, job_id, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not (job := provider.trainer.get(job_id)).ended:
        assert time.monotonic() < deadline, f"{job_id} is still {job.status}"
        time.sleep(0.05)
    return job


@pytest.fixture
def tuned(provider, training_file):
    changes = {"hyperparameters": {"epochs": 3, "adapter_size": 4}, "suffix": "tickets", "key": "whole-way"}
    wanted = request(training_file, validation_file=training_file.id, **changes)
    return finished(provider, (provider.trainer.find("whole-way") or provider.trainer.create(wanted)).id)


class TestContract(ProviderContract):
    secret = CANARY
    unknown_job = "projects/acme/locations/us-central1/tuningJobs/123"

    @pytest.fixture(autouse=True)
    def _connect(self, emulator):
        self.emulator = emulator

    def make_provider(self):
        return connected(self.emulator)

    def base_model(self, provider):  # noqa: ARG002  # the contract's signature
        return BASE

    def failing(self, failure):
        if failure == "unreachable":
            return connect(project="acme", endpoint="http://127.0.0.1:9", access_token=CANARY)
        said = f"The token is {CANARY}"
        fault = {
            "unauthorized": Fault(method="GET", status=403, message=said),
            "rate limit": Fault(method="GET", status=429, message=said, headers={"Retry-After": "9"}),
            "broken": Fault(method="GET", status=503, message=said),
            "time-out": Fault(method="GET", delay=math.inf, drop=True),
            "garbage": Fault(method="GET", status=200, body=said),
        }[failure]
        self.emulator.faults.clear()
        self.emulator.faults.add(fault)
        return connected(self.emulator, timeout=0.3)

    def in_strange_status(self):
        provider = self.make_provider()
        job = finished(provider, provider.trainer.create(self.request(provider)).id)
        self.emulator.faults.add(Fault(method="GET", path=JOB, merge={"state": "JOB_STATE_MODERATING"}), times=2)
        return provider, job.id


class TestTheWholeWay:
    def test_a_job_succeeds_with_its_model_at_an_endpoint(self, tuned, training_file):
        assert tuned.status == SUCCEEDED
        assert tuned.id.startswith("projects/acme/locations/us-central1/tuningJobs/")
        assert tuned.tuned_model.startswith("projects/acme/locations/us-central1/endpoints/")
        assert tuned.training_file == tuned.validation_file == training_file.id
        assert (tuned.suffix, tuned.key, tuned.method) == ("tickets", "whole-way", "supervised")
        assert tuned.hyperparameters == {"epochs": 3, "adapter_size": 4}
        assert tuned.trained_tokens > 0
        assert tuned.step == tuned.total_steps

    def test_each_checkpoint_answers_at_its_own_endpoint(self, provider, tuned):
        checkpoints = provider.trainer.checkpoints(tuned.id)
        assert [each.epoch for each in checkpoints] == [1, 2, 3]
        assert checkpoints[-1].model == tuned.tuned_model
        for each in checkpoints:
            assert provider.completer.complete(each.model, [user("refund please")], OPTIONS).text == "billing"

    def test_the_last_checkpoint_alone_where_asked_so(self, provider, training_file):
        job = provider.trainer.create(request(training_file, extra={"exportLastCheckpointOnly": True}))
        done = finished(provider, job.id)
        assert provider.trainer.checkpoints(job.id) == ()
        assert provider.completer.complete(done.tuned_model, [user("refund please")], OPTIONS).text == "billing"

    def test_events_are_told_from_the_job(self, provider, tuned):
        messages = [event.message for event in provider.trainer.events(tuned.id)]
        assert messages[0] == f"Job created on {BASE}"
        assert any(message.startswith("Training data: 24 examples") for message in messages)
        assert messages[-1] == "Job is succeeded (JOB_STATE_SUCCEEDED)"

    def test_losses_are_read_from_the_jobs_experiment(self, provider, tuned):
        steps = [event for event in provider.trainer.events(tuned.id) if "train_loss" in event.metrics]
        assert [event.metrics["step"] for event in steps] == list(range(1, tuned.total_steps + 1))
        assert steps[-1].metrics["train_loss"] < steps[0].metrics["train_loss"]
        for checkpoint in provider.trainer.checkpoints(tuned.id):
            assert {"train_loss", "train_accuracy", "valid_loss", "valid_accuracy"} <= set(checkpoint.metrics)

    def test_losses_that_may_not_be_read_are_a_warning(self, emulator, provider, tuned):
        fault = Fault(
            method="GET", path="/projects/.*/contexts/.*", status=403, message="aiplatform.contexts.get denied"
        )
        emulator.faults.add(fault, times=2)
        (warning,) = [event for event in provider.trainer.events(tuned.id) if event.level == "warn"]
        assert "aiplatform.contexts.get denied" in warning.message
        assert [dict(each.metrics) for each in provider.trainer.checkpoints(tuned.id)] == [{}, {}, {}]

    def test_a_tuned_model_is_tuned_further(self, provider, tuned, tmp_path):
        more = sent(provider, write(tmp_path / "more.jsonl", [(f"package late {n}", "shipping") for n in range(20)]))
        job = finished(provider, provider.trainer.create(request(more, model=tuned.tuned_model)).id)
        answers = [
            provider.completer.complete(job.tuned_model, [user(text)], OPTIONS).text
            for text in ("package late", "refund please")
        ]
        assert answers == ["shipping", "billing"]

    def test_preference_pairs_are_tuned_through_v1beta1(self, provider, tmp_path):
        pair = {
            "contents": [{"role": "user", "parts": [{"text": "refund please"}]}],
            "completions": [
                {"score": 1, "completion": {"role": "model", "parts": [{"text": "billing"}]}},
                {"score": 0, "completion": {"role": "model", "parts": [{"text": "account"}]}},
            ],
        }
        path = tmp_path / "pairs.jsonl"
        path.write_text((json.dumps(pair) + "\n") * 12)
        wanted = request(sent(provider, path), method="preference", hyperparameters={"epochs": 2, "beta": 0.1}, key="p")
        created = provider.trainer.create(wanted)
        done = finished(provider, created.id)
        assert done.status == SUCCEEDED
        assert (done.method, done.hyperparameters) == ("preference", {"epochs": 2, "beta": 0.1})
        assert done.training_file == wanted.training_file
        assert provider.trainer.find("p").id == created.id
        assert provider.completer.complete(done.tuned_model, [user("refund please")], OPTIONS).text == "billing"


class TestAnswers:
    def test_a_base_model_answers_where_it_is_served(self, provider):
        messages = [system("Answer with one of: billing, account."), user("about my account")]
        assert provider.completer.complete(BASE, messages, OPTIONS).text == "account"
        where = provider.completer.served(BASE)
        assert where == f"projects/acme/locations/us/publishers/google/models/{BASE}"

    def test_an_answer_has_usage_reason_and_id(self, provider, tuned):
        answer = provider.completer.complete(tuned.tuned_model, [user("password lost")], OPTIONS)
        assert (answer.text, answer.model, answer.finish_reason) == ("account", tuned.tuned_model, "stop")
        assert answer.usage.prompt_tokens == provider.completer.count_tokens(tuned.tuned_model, [user("password lost")])
        assert answer.request_id

    def test_a_limit_ends_an_answer_by_length(self, provider, tmp_path):
        path = write(tmp_path / "long.jsonl", [(f"hello {n}", "good morning to you") for n in range(12)])
        done = finished(provider, provider.trainer.create(request(sent(provider, path))).id)
        limited = CompletionOptions(max_tokens=2)
        answer = provider.completer.complete(done.tuned_model, [user("hello")], limited)
        assert (answer.text, answer.finish_reason) == ("good morning", "length")
        pieces = list(provider.completer.stream(done.tuned_model, [user("hello")], OPTIONS))
        assert [piece.text for piece in pieces] == ["good ", "morning ", "to ", "you", ""]

    def test_a_schema_is_obeyed(self, provider, tuned):
        schema = {"type": "object", "properties": {"label": {"type": "string"}}, "required": ["label"]}
        options = CompletionOptions(response_schema=schema)
        answer = provider.completer.complete(tuned.tuned_model, [user("password lost")], options)
        assert json.loads(answer.text) == {"label": "account"}

    def test_tools_are_learned_and_called(self, provider, tmp_path):
        call = {"functionCall": {"name": "refund", "args": {"amount": 5}}}
        example = {
            "contents": [{"role": "user", "parts": [{"text": "money back"}]}, {"role": "model", "parts": [call]}],
            "tools": [{"functionDeclarations": [{"name": "refund", "parameters": {"type": "object"}}]}],
        }
        path = tmp_path / "tools.jsonl"
        path.write_text((json.dumps(example) + "\n") * 12)
        done = finished(provider, provider.trainer.create(request(sent(provider, path))).id)
        tool = {"type": "function", "function": {"name": "refund", "parameters": {"type": "object"}}}
        options = CompletionOptions(tools=(tool,), tool_choice="refund")
        answer = provider.completer.complete(done.tuned_model, [user("money back")], options)
        assert answer.finish_reason == "tool_calls"
        assert [(each.name, json.loads(each.arguments)) for each in answer.tool_calls] == [("refund", {"amount": 5})]
        *_, last = provider.completer.stream(done.tuned_model, [user("money back")], options)
        assert [each.name for each in last.tool_calls] == ["refund"]

    def test_two_loops_one_after_the_other(self, provider, tuned):
        async def both():
            answers = await asyncio.gather(
                *(provider.completer.complete_async(tuned.tuned_model, [user("refund please")], OPTIONS) for _ in "ab")
            )
            stream = provider.completer.stream_async(tuned.tuned_model, [user("refund please")], OPTIONS)
            return [answer.text for answer in answers], "".join([chunk.text async for chunk in stream])

        for _ in range(2):
            assert asyncio.run(both()) == (["billing", "billing"], "billing")

    def test_threads_share_one_connection(self, provider, tuned):
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

    def test_images_on_the_web_are_refused_before_sending(self, provider):
        from finetuner.data.examples import MediaPart

        message = Message(role="user", content=(TextPart("what is it?"), MediaPart("https://example.com/a.png")))
        with pytest.raises(RequestRejectedError, match="Cloud Storage"):
            provider.completer.complete(BASE, [message], OPTIONS)


class TestFiles:
    def test_the_same_content_is_kept_once(self, provider, training_path):
        first, second = sent(provider, training_path), sent(provider, training_path)
        assert first == second
        assert first.id.startswith("gs://acme-data/tuning/train-")
        assert first.bytes == training_path.stat().st_size

    def test_another_content_under_the_name_is_noticed(self, provider, training_path, tmp_path):
        first = sent(provider, training_path)
        other = tmp_path / "other" / "train.jsonl"
        other.parent.mkdir()
        other.write_text("something else\n")
        with pytest.raises(UnexpectedAnswerError, match="something else lies at"):
            provider.files.upload(other, name="train.jsonl", sha256=file_sha256(training_path))
        provider.files.delete(first.id)

    def test_a_large_file_goes_in_resumable_parts_and_comes_back(self, provider, tmp_path, monkeypatch):
        monkeypatch.setenv("FINETUNER_WORKSPACE", str(tmp_path / "workspace"))
        path = tmp_path / "large.jsonl"
        path.write_bytes(os.urandom(9 * 1024 * 1024 + 5))
        found = sent(provider, path)
        copy = open_gs(found.id)
        assert file_sha256(copy) == file_sha256(path)
        assert copy.suffix == ".jsonl"
        assert open_gs(found.id) == copy

    def test_a_lost_upload_answer_leaves_one_whole_object(self, emulator, provider, training_path):
        emulator.faults.add(Fault(path="/upload/storage/v1/.*", accepted=True, drop=True))
        assert sent(provider, training_path).bytes == training_path.stat().st_size

    def test_damage_on_the_way_is_noticed(self, training_file, emulator, tmp_path, monkeypatch):
        monkeypatch.setenv("FINETUNER_WORKSPACE", str(tmp_path / "workspace"))
        emulator.faults.add(Fault(method="GET", path="/download/.*", status=200, body="damaged"), times=None)
        with pytest.raises(ProviderError):
            open_gs(training_file.id)
        emulator.faults.clear()
        assert open_gs(training_file.id).stat().st_size == training_file.bytes

    def test_a_folder_is_brought_with_its_names(self, provider, tmp_path, monkeypatch):
        monkeypatch.setenv("FINETUNER_WORKSPACE", str(tmp_path / "workspace"))
        place = connected_to(provider, "gs://acme-data/of-three")
        for n in range(3):
            path = write(tmp_path / f"part-{n}.jsonl", [(f"text {n}", "label")])
            sent(place, path)
        names = sorted(path.name for path in open_gs("gs://acme-data/of-three/").iterdir())
        assert len(names) == 3
        assert names[0].startswith("part-0-")

    @pytest.mark.usefixtures("emulator")
    def test_nothing_there_says_so(self):
        for uri in ("gs://acme-data/none.jsonl", "gs://acme-data/nothing/"):
            with pytest.raises(NotFoundError):
                open_gs(uri)

    def test_without_a_bucket_it_says_how_to_name_one(self, emulator, training_path, monkeypatch):
        monkeypatch.delenv("FINETUNER_GCS_BUCKET", raising=False)
        with pytest.raises(UsageError, match="FINETUNER_GCS_BUCKET"):
            sent(connected(emulator, bucket=None), training_path)

    def test_nobody_listens(self, training_path, monkeypatch):
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://emulator:secret@127.0.0.1:9")
        impatient = connect(project="acme", bucket="gs://acme-data", endpoint="http://127.0.0.1:9", timeout=0.1)
        with pytest.raises(
            ProviderConnectionError, match=r"Cloud Storage can't be reached at http://127\.0\.0\.1:9"
        ) as e:
            sent(impatient, training_path)
        assert "secret" not in str(e.value)


def connected_to(provider, bucket):
    settings = attrs.evolve(provider.files.client.settings, bucket=bucket)
    connection = attrs.evolve(provider.files.client.connection, settings=settings)
    client = attrs.evolve(provider.files.client, connection=connection)
    return attrs.evolve(provider, files=attrs.evolve(provider.files, client=client))


class TestJobs:
    def test_a_lost_answer_is_found_again_and_there_is_exactly_one_job(self, emulator, provider, training_file):
        for method, key in (("supervised", "lost-1"), ("preference", "lost-2")):
            emulator.faults.add(Fault(path=JOBS, accepted=True, drop=True))
            with pytest.raises(ProviderConnectionError, match="Vertex AI can't be reached"):
                provider.trainer.create(request(training_file, key=key, method=method))
            found = provider.trainer.find(key)
            assert (found.key, found.method) == (key, method)
            assert sum(job.key == key for job in provider.trainer.list(100)) == 1

    def test_a_hanging_answer_is_a_time_out_and_the_job_is_found(self, emulator, provider, training_file):
        emulator.faults.add(Fault(path=JOBS, delay=math.inf, accepted=True))
        with pytest.raises(ProviderTimeoutError, match="may have been accepted"):
            connected(emulator, timeout=0.3).trainer.create(request(training_file, key="slow"))
        assert provider.trainer.find("slow") is not None
        assert sum(job.key == "slow" for job in provider.trainer.list(100)) == 1

    @pytest.mark.parametrize("method", ["supervised", "preference"])
    def test_a_job_is_sent_once(self, emulator, provider, training_file, method):
        emulator.faults.add(Fault(path=JOBS, status=503, message="The service is currently unavailable."))
        with pytest.raises(UnexpectedAnswerError, match="Vertex AI answered 503: The service is currently unavailable"):
            provider.trainer.create(request(training_file, key=f"broken-{method}", method=method))
        assert provider.trainer.find(f"broken-{method}") is None

    def test_a_host_that_knows_no_filter_is_searched_whole(self, emulator, provider, training_file):
        created = provider.trainer.create(request(training_file, key="unfiltered"))
        emulator.faults.add(Fault(method="GET", path=JOBS, status=400, message="Invalid filter"))
        assert provider.trainer.find("unfiltered").id == created.id

    def test_garbage_is_no_answer(self, emulator, provider, training_file):
        page = "<html>We'll be back</html>"
        for method in ("supervised", "preference"):
            emulator.faults.add(Fault(path=JOBS, status=200, body=page))
            with pytest.raises(UnexpectedAnswerError, match="isn't as its API promises"):
                provider.trainer.create(request(training_file, key="garbage", method=method))
        emulator.faults.add(Fault(path=ASK, status=200, body=page))
        with pytest.raises(UnexpectedAnswerError, match="isn't as its API promises"):
            provider.completer.complete(BASE, [user("hi")], ONCE)

    def test_waiting_for_quota_is_shown_and_not_the_end(self, emulator, provider, tuned):
        waiting = {"state": "JOB_STATE_PENDING", "tuningJobState": "TUNING_JOB_STATE_WAITING_FOR_QUOTA"}
        emulator.faults.add(Fault(method="GET", path=JOB, merge=waiting), times=2)
        job = provider.trainer.get(tuned.id)
        assert (job.status, job.raw_status) == ("waiting_for_quota", "TUNING_JOB_STATE_WAITING_FOR_QUOTA")
        assert not job.ended

    def test_a_state_that_nobody_knows_is_not_the_end(self, emulator, provider, tuned):
        for value, word in (("JOB_STATE_UPDATING", "updating"), (57, "57")):
            emulator.faults.add(Fault(method="GET", path=JOB, merge={"state": value}))
            job = provider.trainer.get(tuned.id)
            assert job.status == word
            assert not job.ended

    @pytest.mark.parametrize("status", [403, 404, 405, 501])
    def test_a_host_of_the_stable_api_alone_is_enough(self, emulator, provider, tuned, status):
        emulator.faults.add(Fault(method="GET", path=JOB, merge={"state": "JOB_STATE_RUNNING"}))
        emulator.faults.add(Fault(method="GET", path=JOB, status=status, message="no such version"))
        assert provider.trainer.get(tuned.id).status == "running"

    def test_too_many_jobs_at_a_time_is_said_with_what_to_do(self, emulator, provider, training_file):
        message = "Quota exceeded for aiplatform.googleapis.com/global_concurrent_tuning_jobs"
        headers = {"Retry-After": "7"}
        emulator.faults.add(Fault(path=JOBS, status=429, message=message, headers=headers))
        with pytest.raises(RateLimitError, match="ask for more on the project's quota page") as caught:
            provider.trainer.create(request(training_file))
        assert (caught.value.retry_after, caught.value.code) == (7.0, "RESOURCE_EXHAUSTED")
        assert caught.value.retryable

    def test_rows_that_were_left_out_are_findings_and_events(self, provider, tmp_path):
        pairs = [(f"refund {n}", "billing") for n in range(12)]
        path = write(tmp_path / "long.jsonl", [*pairs, ("x" * 600_000, "billing"), ("refund", " ")])
        done = finished(provider, provider.trainer.create(request(sent(provider, path))).id)
        findings = provider.trainer.findings(done.id)
        assert [finding.code for finding in findings] == ["row_dropped", "row_dropped"]
        assert "training row 13: The example has more than 131072 tokens" in findings[0].message
        warnings = [event.message for event in provider.trainer.events(done.id) if event.level == "warn"]
        assert warnings == [finding.message for finding in findings]

    def test_lines_that_cannot_be_read_fail_the_job(self, provider, tmp_path):
        path = tmp_path / "bad.jsonl"
        path.write_text(line("a", "b") + '{"contents": [{"role": "assistant", "parts": []}]}\n')
        job = provider.trainer.create(request(sent(provider, path)))
        failed = provider.trainer.get(job.id)
        assert (failed.status, failed.failure.code) == (FAILED, "INVALID_ARGUMENT")
        assert "line 2" in failed.failure.message
        assert provider.trainer.events(job.id)[-2].level == "error"

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"hyperparameters": {"batch_size": 4}}, "no hyperparameter batch_size"),
            ({"hyperparameters": {"beta": 0.1}}, "no hyperparameter beta for supervised"),
            ({"hyperparameters": {"adapter_size": 5}}, "must be one of 1, 2, 4"),
            ({"hyperparameters": {"adapter_size": 32}}, "ADAPTER_SIZE_THIRTY_TWO is not supported"),
            ({"hyperparameters": {"epochs": 0}}, "epochs must be above 0"),
            ({"method": "reinforcement"}, "doesn't tune by 'reinforcement'"),
            ({"training_file": "file-1"}, "lies in Cloud Storage"),
            ({"training_file": "gs://acme-data/none.jsonl"}, "Failed to read"),
            ({"metadata": {"Team": "Red"}}, "can't be a label"),
            ({"extra": {"batchSize": 3}}, "no such field"),
            ({"suffix": "x" * 129}, "at most 128"),
        ],
    )
    def test_what_cannot_be_right_is_rejected_with_its_name(self, provider, training_file, changes, match):
        with pytest.raises(RequestRejectedError, match=match):
            provider.trainer.create(request(training_file, **changes))

    def test_the_wrong_region_is_told(self, emulator, training_file):
        elsewhere = connected(emulator, location="asia-east1")
        with pytest.raises(RequestRejectedError, match="not supported in asia-east1"):
            elsewhere.trainer.create(request(training_file))

    def test_jobs_of_other_places_are_read_where_they_are(self, emulator, provider, tuned):
        assert connected(emulator, location="europe-west4").trainer.get(tuned.id).status == SUCCEEDED
        assert provider.trainer.get(tuned.id.rpartition("/")[2]).id == tuned.id


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "kind", "retryable"),
        [
            (400, RequestRejectedError, False),
            (401, AuthenticationError, False),
            (403, AuthenticationError, False),
            (404, NotFoundError, False),
            (409, RequestRejectedError, False),
            (429, RateLimitError, True),
            (499, UnexpectedAnswerError, True),
            (500, UnexpectedAnswerError, True),
            (503, UnexpectedAnswerError, True),
            (504, ProviderTimeoutError, True),
        ],
    )
    def test_each_status_becomes_one_of_our_errors(self, emulator, provider, status, kind, retryable):
        """Whichever of Google's clients meets it: models' answers, stable calls, v1beta1."""
        fault = Fault(status=status, message=f"No: {CANARY} Bearer {CANARY}")
        calls = {
            "POST": lambda: provider.completer.complete(BASE, [user("hi")], ONCE),
            "GET": lambda: provider.trainer.get("projects/acme/locations/us-central1/tuningJobs/1"),
        }
        for method, call in calls.items():
            emulator.faults.add(attrs.evolve(fault, method=method))
            with pytest.raises(ProviderError) as caught:
                call()
            error = caught.value
            assert type(error) is kind
            assert (error.provider, error.retryable) == ("vertex", retryable)
            shown = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
            assert CANARY not in shown

    def test_async_answers_fail_alike(self, emulator, provider):
        emulator.faults.add(Fault(status=429, message="slow down", headers={"Retry-After": "3"}))
        with pytest.raises(RateLimitError) as caught:
            asyncio.run(provider.completer.complete_async(BASE, [user("hi")], ONCE))
        assert caught.value.retry_after == 3.0

    def test_answers_are_asked_again_but_only_as_often_as_allowed(self, emulator, provider, tuned):
        emulator.faults.add(Fault(status=429, path=ASK, headers={"Retry-After": "0.01"}), times=2)
        assert provider.completer.complete(tuned.tuned_model, [user("refund please")], OPTIONS).text == "billing"

    def test_broken_streams_and_connections_are_connection_errors(self, emulator, provider, tuned):
        for fault in (Fault(path=ASK, drop=True), Fault(path=ASK, cut=20)):
            emulator.faults.add(fault)
            with pytest.raises(ProviderError) as caught:
                list(provider.completer.stream(tuned.tuned_model, [user("refund please")], ONCE))
            assert caught.value.retryable

    def test_a_hanging_model_is_a_time_out(self, emulator, provider):
        emulator.faults.add(Fault(path=ASK, delay=math.inf))
        with pytest.raises(ProviderTimeoutError, match="timeout="):
            provider.completer.complete(BASE, [user("hi")], CompletionOptions(timeout=0.3, max_retries=0))

    def test_nobody_listens(self):
        away = connect(project="acme", endpoint="http://emulator:secret@127.0.0.1:9")
        calls = (
            lambda: away.completer.complete(BASE, [user("hi")], ONCE),
            lambda: away.trainer.get("projects/acme/locations/us-central1/tuningJobs/1"),
            lambda: asyncio.run(away.completer.complete_async(BASE, [user("hi")], ONCE)),
        )
        for call in calls:
            with pytest.raises(
                ProviderConnectionError, match=r"Vertex AI can't be reached at http://127\.0\.0\.1:9"
            ) as e:
                call()
            assert "secret" not in str(e.value) + repr(away)

    def test_without_a_project_it_says_how_to_name_one(self, emulator, monkeypatch):
        monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
        with pytest.raises(UsageError, match="GOOGLE_CLOUD_PROJECT"):
            connected(emulator, project=None).trainer.list()

    def test_without_credentials_it_says_how_to_sign_in(self, monkeypatch, tmp_path):
        monkeypatch.delenv("FINETUNER_VERTEX_ENDPOINT", raising=False)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
        with pytest.raises(AuthenticationError, match="gcloud auth application-default login"):
            connect(project="acme").trainer.get("projects/acme/locations/us-central1/tuningJobs/1")

    def test_the_token_in_the_address_lets_all_clients_in(self, tmp_path, monkeypatch, training_path):
        with Emulator(workspace=tmp_path / "guarded", token="right") as guarded:
            for name, value in guarded.environment.items():
                monkeypatch.setenv(name, value)
            provider = connect()
            job = provider.trainer.create(request(sent(provider, training_path), method="preference", key="t"))
            assert provider.trainer.find("t").id == job.id
            messages = [system("Answer with one of: billing, account."), user("about my account")]
            assert provider.completer.complete(BASE, messages, OPTIONS).text == "account"
            large = tmp_path / "large.jsonl"
            large.write_bytes(b"x" * (9 * 1024 * 1024))
            assert sent(provider, large).bytes == large.stat().st_size
            stranger = connect(endpoint=guarded.address)
            with pytest.raises(AuthenticationError, match="does not have permission"):
                stranger.trainer.list()
