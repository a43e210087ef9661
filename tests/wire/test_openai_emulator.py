"""What the emulator can do, asked by the real OpenAI SDK."""

import hashlib
import json
import time

import openai
import pytest

from finetuner.emulator import Emulator, Fault
from finetuner.emulator.faults import TRAINING_NOT_AVAILABLE
from finetuner.testing import FakeClock

BASE = "gpt-4.1-mini-2025-04-14"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Paris", "Oslo"]}, "days": {"type": "integer"}},
            "required": ["city", "days"],
        },
    },
}
SCHEMA = {
    "type": "object",
    "properties": {
        "label": {"type": "string", "enum": ["billing", "account"]},
        "note": {"type": "string"},
        "urgent": {"type": "boolean"},
    },
    "required": ["label", "note", "urgent"],
    "additionalProperties": False,
}


@pytest.fixture
def client(emulator):
    with openai.OpenAI(base_url=emulator.url, api_key="any", max_retries=0) as client:
        yield client


def lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def sent(client, content, name="train.jsonl", purpose="fine-tune"):
    return client.files.create(file=(name, content), purpose=purpose)


def finished(client, job_id):
    deadline = time.monotonic() + 60
    while (job := client.fine_tuning.jobs.retrieve(job_id)).status not in {"succeeded", "failed", "cancelled"}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return job


def ask(client, model, text, **options):
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}], **options)


class TestFilesAndUploads:
    def test_files_are_listed_by_purpose_newest_first(self, client):
        first, second = (sent(client, b"{}\n", f"{n}.jsonl", "batch") for n in "ab")
        listed = [file.id for file in client.files.list(purpose="batch")]
        assert listed.index(second.id) < listed.index(first.id)
        assert all(file.purpose == "batch" for file in client.files.list(purpose="batch"))

    def test_a_file_expires(self, tmp_path):
        clock = FakeClock()
        with (
            Emulator(workspace=tmp_path, clock=clock) as emulator,
            openai.OpenAI(base_url=emulator.url, api_key="any") as client,
        ):
            kept = client.files.create(
                file=("a.jsonl", b"{}\n"),
                purpose="fine-tune",
                expires_after={"anchor": "created_at", "seconds": 3_600},
            )
            assert kept.expires_at - kept.created_at == 3_600
            clock.advance(3_601)
            with pytest.raises(openai.NotFoundError):
                client.files.retrieve(kept.id)
            upload = client.uploads.create(bytes=3, filename="b", mime_type="text/jsonl", purpose="fine-tune")
            clock.advance(3_601)
            with pytest.raises(openai.BadRequestError) as caught:
                client.uploads.parts.create(upload.id, data=b"{}\n")
            assert caught.value.code == "upload_expired"

    def test_parts_are_put_together_in_the_order_that_is_asked_for(self, client):
        upload = client.uploads.create(bytes=6, filename="b", mime_type="text/jsonl", purpose="fine-tune")
        second = client.uploads.parts.create(upload.id, data=b"def")
        first = client.uploads.parts.create(upload.id, data=b"abc")
        md5 = hashlib.md5(b"abcdef").hexdigest()
        done = client.uploads.complete(upload.id, part_ids=[first.id, second.id], md5=md5)
        assert done.status == "completed"
        assert client.files.content(done.file.id).read() == b"abcdef"
        with pytest.raises(openai.BadRequestError, match="completed"):
            client.uploads.parts.create(upload.id, data=b"g")

    @pytest.mark.parametrize(
        ("parts", "md5", "code"),
        [([b"abc"], None, "invalid_upload_size"), ([b"abcdef"], "0" * 32, "checksum_mismatch")],
    )
    def test_parts_that_are_not_what_was_announced_are_refused(self, client, parts, md5, code):
        upload = client.uploads.create(bytes=6, filename="b", mime_type="text/jsonl", purpose="fine-tune")
        ids = [client.uploads.parts.create(upload.id, data=part).id for part in parts]
        with pytest.raises(openai.BadRequestError) as caught:
            client.uploads.complete(upload.id, part_ids=ids, **({"md5": md5} if md5 else {}))
        assert caught.value.code == code
        assert client.uploads.cancel(upload.id).status == "cancelled"

    @pytest.mark.parametrize("identity", ["a/b", "file-none", "..x", "file-\u00e9"])
    def test_ids_that_nobody_has_reach_no_file(self, client, identity):
        with pytest.raises(openai.NotFoundError):
            client.files.retrieve(identity)

    def test_state_outlives_the_emulator(self, tmp_path):
        with (
            Emulator(workspace=tmp_path) as emulator,
            openai.OpenAI(base_url=emulator.url, api_key="any") as client,
        ):
            kept = sent(client, b"{}\n")
            upload = client.uploads.create(bytes=3, filename="b", mime_type="text/jsonl", purpose="fine-tune")
            part = client.uploads.parts.create(upload.id, data=b"{}\n")
        with (
            Emulator(workspace=tmp_path) as emulator,
            openai.OpenAI(base_url=emulator.url, api_key="any") as client,
        ):
            assert client.files.retrieve(kept.id).bytes == 3
            assert client.uploads.complete(upload.id, part_ids=[part.id]).file.bytes == 3


class TestMethods:
    def test_a_tool_is_learned_and_called(self, client):
        def line(city, n):
            call = {
                "id": "c1",
                "type": "function",
                "function": {"name": "weather", "arguments": f'{{"city":"{city}"}}'},
            }
            return {
                "messages": [
                    {"role": "user", "content": f"{city} weather {n}"},
                    {"role": "assistant", "tool_calls": [call]},
                ],
                "tools": [WEATHER],
            }

        content = lines(*(line(city, n) for n in range(8) for city in ("Paris", "Oslo")))
        job = finished(client, client.fine_tuning.jobs.create(model=BASE, training_file=sent(client, content).id).id)
        assert job.status == "succeeded", job.error
        choice = ask(client, job.fine_tuned_model, "Oslo weather 3", tools=[WEATHER]).choices[0]
        assert choice.finish_reason == "tool_calls"
        assert choice.message.content is None
        (call,) = choice.message.tool_calls
        assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Oslo"})
        with ask(client, job.fine_tuned_model, "Paris weather 3", tools=[WEATHER], stream=True) as stream:
            pieces = [c.choices[0].delta.tool_calls[0] for c in stream if c.choices[0].delta.tool_calls]
        assert pieces[0].function.name == "weather"
        assert json.loads("".join(piece.function.arguments for piece in pieces)) == {"city": "Paris"}

    def test_the_better_answer_of_a_pair_is_learned(self, client):
        def pair(text, good, bad):
            return {
                "input": {"messages": [{"role": "user", "content": text}]},
                "preferred_output": [{"role": "assistant", "content": good}],
                "non_preferred_output": [{"role": "assistant", "content": bad}],
            }

        content = lines(
            *(
                pair(f"{t} {n}", g, b)
                for n in range(8)
                for t, g, b in (("hi", "hello", "hey"), ("bye", "farewell", "cu"))
            )
        )
        method = {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2, "n_epochs": 3}}}
        job = client.fine_tuning.jobs.create(model=BASE, training_file=sent(client, content).id, method=method)
        job = finished(client, job.id)
        assert job.method.dpo.hyperparameters.beta == 0.2
        assert ask(client, job.fine_tuned_model, "bye 3").choices[0].message.content == "farewell"

    def test_the_answer_that_a_grader_rewards_is_learned(self, client):
        def line(text, label, n):
            return {"messages": [{"role": "user", "content": f"{text} {n}"}], "label": label}

        pairs = (("refund", "billing"), ("password", "account"))
        content = lines(*(line(text, label, n) for n in range(8) for text, label in pairs))
        file = sent(client, content)
        grader = {
            "type": "string_check",
            "name": "same",
            "input": "{{sample.output_text}}",
            "reference": "{{item.label}}",
            "operation": "eq",
        }
        method = {"type": "reinforcement", "reinforcement": {"grader": grader}}
        job = client.fine_tuning.jobs.create(
            model="o4-mini-2025-04-16", training_file=file.id, validation_file=file.id, method=method
        )
        job = finished(client, job.id)
        assert job.status == "succeeded", job.error
        assert ask(client, job.fine_tuned_model, "refund 3").choices[0].message.content == "billing"
        graded = client.fine_tuning.alpha.graders.run(grader=grader, model_sample="billing", item={"label": "billing"})
        assert graded.reward == 1.0

    def test_a_method_that_the_base_lacks_is_refused(self, client):
        method = {"type": "supervised"}
        with pytest.raises(openai.BadRequestError) as caught:
            client.fine_tuning.jobs.create(model="o4-mini", training_file=sent(client, b"{}\n").id, method=method)
        assert caught.value.param == "method.type"

    def test_a_tuned_model_can_be_tuned_further(self, client, tuned, training_path):
        file = sent(client, training_path.read_bytes())
        job = client.fine_tuning.jobs.create(model=tuned.tuned_model, training_file=file.id, suffix="again")
        job = finished(client, job.id)
        assert job.status == "succeeded", job.error
        assert job.fine_tuned_model.startswith(f"ft:{BASE}:acme:again:")
        assert ask(client, job.fine_tuned_model, "password lost").choices[0].message.content == "account"

    def test_a_file_for_something_else_is_refused(self, client):
        file = sent(client, b"{}\n", purpose="batch")
        with pytest.raises(openai.BadRequestError) as caught:
            client.fine_tuning.jobs.create(model=BASE, training_file=file.id)
        assert caught.value.param == "training_file"

    def test_integrations_and_metadata_are_echoed_and_jobs_filtered(self, client, training_path):
        file = sent(client, training_path.read_bytes())
        integrations = [{"type": "wandb", "wandb": {"project": "p"}}]
        job = client.fine_tuning.jobs.create(
            model=BASE, training_file=file.id, integrations=integrations, metadata={"team": "one"}, seed=3
        )
        client.fine_tuning.jobs.cancel(job.id)
        assert job.integrations[0].wandb.project == "p"
        assert job.seed == 3
        assert [each.id for each in client.fine_tuning.jobs.list(metadata={"team": "one"})] == [job.id]

    def test_limits_and_permissions(self, client, tuned):
        limits = client.get("/fine_tuning/model_limits", cast_to=object)[BASE]
        assert set(limits) == {"max_total_jobs", "max_concurrent_jobs", "active_jobs"}
        checkpoint = next(iter(client.fine_tuning.jobs.checkpoints.list(tuned.id))).fine_tuned_model_checkpoint
        permissions = client.fine_tuning.checkpoints.permissions
        (made,) = permissions.create(checkpoint, project_ids=["proj_1"])
        assert [each.project_id for each in permissions.list(checkpoint)] == ["proj_1"]
        assert permissions.delete(made.id, fine_tuned_model_checkpoint=checkpoint).deleted
        assert list(permissions.list(checkpoint)) == []


class TestCompletions:
    def test_a_schema_is_obeyed(self, client, tuned):
        wanted = {"type": "json_schema", "json_schema": {"name": "ticket", "schema": SCHEMA, "strict": True}}
        answer = json.loads(
            ask(client, tuned.tuned_model, "password lost", response_format=wanted).choices[0].message.content
        )
        assert answer == {"label": "account", "note": "account", "urgent": False}

    def test_an_open_schema_is_not_strict(self, client, tuned):
        schema = {key: value for key, value in SCHEMA.items() if key != "additionalProperties"}
        wanted = {"type": "json_schema", "json_schema": {"name": "ticket", "schema": schema, "strict": True}}
        with pytest.raises(openai.BadRequestError) as caught:
            ask(client, tuned.tuned_model, "password lost", response_format=wanted)
        assert caught.value.code == "invalid_json_schema"

    def test_json_must_be_asked_for_in_words_too(self, client, tuned):
        with pytest.raises(openai.BadRequestError, match="'json'"):
            ask(client, tuned.tuned_model, "password lost", response_format={"type": "json_object"})
        said = ask(client, tuned.tuned_model, "password lost, as JSON", response_format={"type": "json_object"})
        assert json.loads(said.choices[0].message.content) == {"answer": "account"}

    @pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
    def test_a_tool_that_must_be_called_is_called(self, client, choice):
        found = ask(client, BASE, "Will it rain in Oslo?", tools=[WEATHER], tool_choice=choice).choices[0]
        assert found.finish_reason == "tool_calls"
        assert json.loads(found.message.tool_calls[0].function.arguments) == {"city": "Oslo", "days": 0}

    def test_log_probabilities_multiply_to_the_models_confidence(self, client, tuned):
        found = ask(client, tuned.tuned_model, "password lost", logprobs=True, top_logprobs=1, n=2)
        assert [choice.index for choice in found.choices] == [0, 1]
        tokens = found.choices[0].logprobs.content
        assert "".join(each.token for each in tokens) == "account"
        assert -1.0 < sum(each.logprob for each in tokens) < 0.0
        assert bytes(tokens[0].bytes).decode() == tokens[0].token

    @pytest.mark.parametrize(
        ("options", "param"),
        [
            ({"temperature": 3}, "temperature"),
            ({"tool_choice": "required"}, "tool_choice"),
            ({"top_logprobs": 2}, "top_logprobs"),
            ({"stream_options": {"include_usage": True}}, "stream_options"),
            ({"extra_body": {"nope": 1}}, "nope"),
            ({"max_tokens": 1, "max_completion_tokens": 1}, "max_tokens"),
        ],
    )
    def test_what_does_not_go_together_is_refused_by_name(self, client, options, param):
        with pytest.raises(openai.BadRequestError) as caught:
            ask(client, BASE, "hi", **options)
        assert caught.value.param == param


class TestBatches:
    def line(self, name, model, text, **changes):
        body = {"model": model, "messages": [{"role": "user", "content": text}]}
        return {"custom_id": name, "method": "POST", "url": "/v1/chat/completions", "body": body} | changes

    def run(self, client, content, **options):
        file = sent(client, content, "batch.jsonl", "batch")
        batch = client.batches.create(
            input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", **options
        )
        deadline = time.monotonic() + 60
        while (seen := client.batches.retrieve(batch.id)).status not in {"completed", "failed", "cancelled"}:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return seen

    def test_answers_and_refusals_come_in_files_of_their_own(self, client, tuned):
        asked = [self.line(f"r{n}", tuned.tuned_model, "password lost") for n in range(5)]
        batch = self.run(client, lines(*asked, self.line("bad", "nobody", "x")), metadata={"a": "b"})
        assert (batch.request_counts.total, batch.request_counts.completed, batch.request_counts.failed) == (6, 5, 1)
        answers = [json.loads(line) for line in client.files.content(batch.output_file_id).text.splitlines()]
        assert {answer["custom_id"] for answer in answers} == {f"r{n}" for n in range(5)}
        assert answers[0]["response"]["body"]["choices"][0]["message"]["content"] == "account"
        (refusal,) = [json.loads(line) for line in client.files.content(batch.error_file_id).text.splitlines()]
        assert refusal["response"]["status_code"] == 404
        assert client.files.retrieve(batch.output_file_id).purpose == "batch_output"
        assert batch.metadata == {"a": "b"}
        assert batch.id in [each.id for each in client.batches.list()]
        with pytest.raises(openai.ConflictError):
            client.batches.cancel(batch.id)

    def test_a_bad_line_fails_the_whole_batch_with_its_number(self, client):
        good = self.line("r1", BASE, "x")
        batch = self.run(client, lines(good, good, self.line("r2", BASE, "x", method="GET")) + b"no json\n")
        assert batch.status == "failed"
        assert [(error.line, error.code) for error in batch.errors.data] == [
            (2, "duplicate_custom_id"),
            (3, "invalid_value"),
            (4, "invalid_json_line"),
        ]


def test_an_organization_that_is_locked_out_stays_so(emulator, client):
    emulator.faults.add(TRAINING_NOT_AVAILABLE, times=None)
    for _ in range(2):
        with pytest.raises(openai.PermissionDeniedError) as caught:
            client.fine_tuning.jobs.create(model=BASE, training_file="file-1")
        assert caught.value.code == "training_not_available"


def test_a_limit_of_requests_is_told_with_its_headers(emulator, client):
    headers = {"Retry-After": "3", "x-ratelimit-remaining-requests": "0"}
    emulator.faults.add(Fault(method="GET", status=429, type="requests", headers=headers))
    with pytest.raises(openai.RateLimitError) as caught:
        client.models.list()
    assert caught.value.response.headers["x-ratelimit-remaining-requests"] == "0"
