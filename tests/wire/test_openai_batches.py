"""Batches, and uploads that aren't repeated, through the provider."""

import time

import attrs
import pytest

from finetuner._core.hashing import file_sha256
from finetuner.data.examples import system, user
from finetuner.emulator import Fault
from finetuner.errors import NotFoundError, ProviderConnectionError, RequestRejectedError
from finetuner.providers.openai import connect
from finetuner.providers.ports import FAILED, SUCCEEDED, BatchRequest, CompletionOptions

BASE = "gpt-4.1-mini-2025-04-14"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string", "enum": ["Paris", "Oslo"]}}},
    },
}


def ended(batches, batch_id):
    deadline = time.monotonic() + 60
    while not (batch := batches.get(batch_id)).ended:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return batch


def questions(*texts):
    return [BatchRequest(id=f"q{n}", messages=(user(text),)) for n, text in enumerate(texts)]


class TestBatches:
    def test_every_question_gets_its_own_answer(self, provider, tuned):
        asked = questions(*(("password lost", "refund please")[n % 2] for n in range(20)))
        made = provider.batches.create(tuned.tuned_model, asked, key="many")
        done = ended(provider.batches, made.id)
        assert (done.status, done.total, done.completed, done.failed) == (SUCCEEDED, 20, 20, 0)
        assert done.finished_at >= done.created_at
        answers = {answer.id: answer.completion for answer in provider.batches.answers(made.id)}
        assert len(answers) == 20
        for request in asked:
            expected = "account" if "password" in request.messages[0].text else "billing"
            assert answers[request.id].text == expected
            assert answers[request.id].usage.total_tokens > 0
        assert provider.batches.find("many").id == made.id
        assert provider.batches.cancel(made.id).status == SUCCEEDED

    def test_what_cannot_be_answered_says_why(self, provider):
        made = provider.batches.create("nobody", questions("a"))
        ended(provider.batches, made.id)
        (answer,) = provider.batches.answers(made.id)
        assert answer.completion is None
        assert answer.failure.code == "model_not_found"

    def test_a_lost_answer_is_found_by_its_key(self, emulator, provider):
        emulator.faults.add(Fault(path="/batches", drop=True, accepted=True))
        with pytest.raises(ProviderConnectionError):
            provider.batches.create(BASE, questions("a"), key="lost-batch")
        assert provider.batches.find("lost-batch") is not None
        assert provider.batches.find("nobody") is None

    def test_a_batch_that_failed_or_expired_has_no_answers_but_a_reason(self, emulator, provider):
        made = provider.batches.create(BASE, questions("a"))
        ended(provider.batches, made.id)
        merge = {"status": "expired", "output_file_id": None}
        emulator.faults.add(Fault(method="GET", path="/batches/.*", merge=merge), times=2)
        assert provider.batches.get(made.id).status == FAILED
        with pytest.raises(RequestRejectedError, match="24 hours"):
            list(provider.batches.answers(made.id))

    def test_one_that_runs_has_no_answers_yet(self, emulator, provider):
        made = provider.batches.create(BASE, questions("a"))
        ended(provider.batches, made.id)
        emulator.faults.add(Fault(method="GET", path="/batches/.*", merge={"status": "in_progress"}))
        with pytest.raises(RequestRejectedError, match="wait until it has ended"):
            provider.batches.answers(made.id)

    def test_unknown_batches_are_not_found(self, provider):
        for ask in (provider.batches.get, provider.batches.cancel, provider.batches.answers):
            with pytest.raises(NotFoundError):
                ask("batch_none")

    @pytest.mark.parametrize("requests", [[], [BatchRequest(id="a", messages=(user("x"),))] * 2])
    def test_none_or_twice_the_same_id_is_refused_before_sending(self, provider, requests):
        with pytest.raises(RequestRejectedError):
            provider.batches.create(BASE, requests)


class TestUploads:
    def test_the_same_content_is_not_sent_again_from_any_machine(self, emulator, provider, training_path):
        sha256 = file_sha256(training_path)
        first = provider.files.upload(training_path, name="same.jsonl", sha256=sha256)
        elsewhere = connect(base_url=emulator.url, api_key="any")
        emulator.faults.add(Fault(path="/files", status=500), times=None)
        assert elsewhere.files.upload(training_path, name="same.jsonl", sha256=sha256).id == first.id
        emulator.faults.clear()
        assert provider.files.upload(training_path, name="other.jsonl", sha256=sha256).id != first.id

    def test_a_service_that_lists_no_files_is_sent_to_all_the_same(self, emulator, provider, training_path):
        emulator.faults.add(Fault(method="GET", path="/files", status=404))
        sent = provider.files.upload(training_path, name="unlisted.jsonl", sha256=file_sha256(training_path))
        assert sent.name == "unlisted.jsonl"

    @pytest.mark.parametrize("most", [10**9, 100], ids=["whole", "in parts"])
    def test_progress_is_told_up_to_the_last_byte(self, provider, training_path, most):
        flavour = attrs.evolve(provider.files.client.flavour, max_single_bytes=most)
        client = attrs.evolve(provider.files.client, flavour=flavour)
        told = []
        files = attrs.evolve(provider.files, client=client, part_bytes=1_000).with_progress(
            lambda done, size: told.append((done, size))
        )
        files.upload(training_path, name="told.jsonl", sha256="")
        size = training_path.stat().st_size
        assert told[-1] == (size, size)
        assert [done for done, _ in told] == sorted(done for done, _ in told)
        assert most > size or len(told) == -(-size // 1_000)


class TestAnswers:
    def test_a_forced_tool_is_called_whole_and_streamed(self, provider):
        options = CompletionOptions(tools=(WEATHER,), tool_choice="weather")
        answer = provider.completer.complete(BASE, [user("Will it rain in Oslo?")], options)
        assert (answer.text, answer.finish_reason) == ("", "tool_calls")
        assert (answer.tool_calls[0].name, answer.tool_calls[0].arguments) == ("weather", '{"city":"Oslo"}')
        *_, last = provider.completer.stream(BASE, [user("Will it rain in Oslo?")], options)
        assert [call.arguments for call in last.tool_calls] == ['{"city":"Oslo"}']
        assert last.finish_reason == "tool_calls"

    def test_log_probabilities_give_a_confidence(self, provider, tuned):
        plain = provider.completer.complete(tuned.tuned_model, [user("password lost")], CompletionOptions())
        answer = provider.completer.complete(
            tuned.tuned_model, [user("password lost")], CompletionOptions(logprobs=True)
        )
        assert plain.confidence is None
        assert 0.5 < answer.confidence <= 1.0
        assert "".join(token.token for token in answer.logprobs) == answer.text

    def test_a_schema_is_obeyed(self, provider):
        schema = {
            "type": "object",
            "properties": {"label": {"type": "string", "enum": ["billing", "account"]}},
            "required": ["label"],
            "additionalProperties": False,
        }
        asked = [system("Sort tickets."), user("a question about my account")]
        answer = provider.completer.complete(BASE, asked, CompletionOptions(response_schema=schema))
        assert answer.text == '{"label":"account"}'
