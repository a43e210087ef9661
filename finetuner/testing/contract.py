"""What every provider must do, as tests that a provider's own test suite inherits.

```python
class TestAcme(ProviderContract):
    def make_provider(self) -> Provider:
        return connect(base_url="http://127.0.0.1:8000")
```

Works with pytest and needs none of its fixtures; a test whose capability the provider lacks is skipped.
"""

import asyncio
import tempfile
import time
import traceback
import unittest
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

import attrs

from finetuner.data import formats
from finetuner.data.examples import system, user
from finetuner.errors import (
    AuthenticationError,
    NotFoundError,
    ProviderConnectionError,
    ProviderError,
    ProviderTimeoutError,
    RateLimitError,
    UnexpectedAnswerError,
)
from finetuner.providers.ports import BatchRequest, CompletionOptions
from finetuner.testing.jobs_contract import JobsContract
from finetuner.testing.subject import LABELS, capability, completer_of, raised, trainer_of

FAILURES: Final[Mapping[str, tuple[type[ProviderError], bool]]] = {
    "unauthorized": (AuthenticationError, False),
    "rate limit": (RateLimitError, True),
    "broken": (ProviderError, True),
    "unreachable": (ProviderConnectionError, True),
    "time-out": (ProviderTimeoutError, True),
    "garbage": (UnexpectedAnswerError, False),
}
"""Kinds of failures of a service, the error that each must become, and whether trying again may help."""


class ProviderContract(JobsContract):
    """The whole suite. Override `make_provider`, and what else differs: see `finetuner.testing.subject.Subject`."""

    # -- the provider --------------------------------------------------------------------------------------------------

    def test_describes_itself(self) -> None:
        """It has a name, its catalog's, and formats that exist."""
        provider = self.make_provider()
        assert provider.name, "a provider needs a name"
        assert provider.catalog.provider == provider.name, "the catalog is another provider's"
        unknown = set(provider.formats) - set(formats.names())
        assert not unknown, f"formats that finetuner doesn't know: {unknown}"
        wrong = [model.id for model in provider.catalog.models if not model.id.startswith(f"{provider.name}:")]
        assert not wrong, f"ids must start with {provider.name}: {wrong}"

    def test_no_key_in_any_text(self) -> None:
        """Neither the provider's repr nor its errors hold the key."""
        provider = self.make_provider()
        if self.secret is None:
            raise unittest.SkipTest("the suite names no secret")
        texts = [repr(provider), repr(attrs.asdict(provider, recurse=False))]
        if provider.trainer is not None:
            texts.append(repr(raised(ProviderError, lambda: trainer_of(provider).get(self.unknown_job))))
        assert not [text for text in texts if self.secret in text], "a key occurs in a text"

    def test_failures_have_their_kind_and_say_whether_to_try_again(self) -> None:
        """Each failure of the service is one of our errors, with the right advice and without the key."""
        for failure, (kind, retryable) in FAILURES.items():
            provider = self.failing(failure)
            if provider is None:
                continue
            error = raised(kind, partial(trainer_of(provider).get, self.unknown_job))
            assert error.retryable == retryable, f"{failure}: retryable is {error.retryable}"
            assert error.provider, f"{failure}: the error doesn't say which provider"
            text = "".join(traceback.format_exception(error)) + repr(vars(error))
            assert self.secret is None or self.secret not in text, f"{failure}: a key occurs in the error"
            assert str(error).strip(), f"{failure}: the error says nothing"

    # -- files ---------------------------------------------------------------------------------------------------------

    def test_uploaded_file_is_found(self) -> None:
        """What was uploaded can be asked for by its id."""
        provider = self.make_provider()
        sent = self.upload(provider)
        found = capability(provider.files, "files").get(sent.id)
        assert (found.id, found.bytes) == (sent.id, sent.bytes), f"sent {sent}, found {found}"
        assert found.bytes > 0, "an uploaded file has a size"

    def test_deleting_a_file_twice_is_no_error(self) -> None:
        """Deleting is idempotent, and a deleted file isn't found."""
        provider = self.make_provider()
        files = capability(provider.files, "files")
        sent = self.upload(provider)
        files.delete(sent.id)
        files.delete(sent.id)
        raised(NotFoundError, lambda: files.get(sent.id))

    def test_same_content_can_be_uploaded_again(self) -> None:
        """Uploading the same content again gives a file that can be used, the one that is there or a new one."""
        provider = self.make_provider()
        first, second = self.upload(provider), self.upload(provider)
        found = capability(provider.files, "files").get(second.id)
        assert found.bytes == first.bytes, f"sent {first}, found {found}"

    def test_unreadable_file_is_refused(self) -> None:
        """A path that isn't there raises a `ProviderError` that may not be retried, before anything is sent."""
        files = capability(self.make_provider().files, "files")
        with tempfile.TemporaryDirectory(prefix="finetuner-contract-") as folder:
            path = Path(folder) / "none.jsonl"
            error = raised(ProviderError, lambda: files.upload(path, name=path.name, sha256=""))
        assert not error.retryable, "sending it again won't help"

    # -- batches -------------------------------------------------------------------------------------------------------

    def test_batch_answers_every_question_by_its_id(self) -> None:
        """A batch ends, and each question has one answer; cancelling it then changes nothing."""
        provider = self.make_provider()
        batches = capability(provider.batches, "batches")
        prompt = system(f"Answer with one of: {', '.join(LABELS)}.")
        asked = [BatchRequest(id=f"q{n}", messages=(prompt, user(f"my {label}"))) for n, label in enumerate(LABELS)]
        batch = batches.create(self.base_model(provider), asked, key="contract-batch")
        deadline = time.monotonic() + self.wait_seconds
        while not (seen := batches.get(batch.id)).ended:
            assert time.monotonic() < deadline, f"{batch.id} is still {seen.status!r}"
            time.sleep(self.poll_seconds)
        answers = {answer.id: answer for answer in batches.answers(batch.id)}
        assert set(answers) == {request.id for request in asked}, "answers and questions differ"
        assert all(answer.completion or answer.failure for answer in answers.values()), "an answer says nothing"
        found = batches.find("contract-batch")
        assert found is not None, "the batch isn't found by its key"
        assert batches.cancel(batch.id).status == seen.status, "cancelling changed an ended batch"

    # -- answers -------------------------------------------------------------------------------------------------------

    def test_completion_is_whole(self) -> None:
        """An answer has a text, the model's name, tokens and a latency that can be true."""
        provider = self.make_provider()
        messages = (system(f"Answer with one of: {', '.join(LABELS)}."), user("I lost my card"))
        completion = completer_of(provider).complete(self.base_model(provider), messages, CompletionOptions())
        assert completion.text, "the answer is empty"
        assert completion.model, "the answer doesn't say which model gave it"
        assert completion.finish_reason, "the answer doesn't say why it ended"
        assert completion.usage.prompt_tokens >= 0, "negative tokens"
        assert completion.usage.completion_tokens >= 0, "negative tokens"
        assert completion.latency >= 0, "negative latency"
        assert completion.confidence is None or 0 <= completion.confidence <= 1, "confidence isn't a probability"

    def test_stream_and_async_agree_with_the_whole_answer(self) -> None:
        """The four ways to ask give the same answer; the last piece of a stream says why it ended."""
        provider = self.make_provider()
        completer, model = completer_of(provider), self.base_model(provider)
        messages = (system(f"Answer with one of: {', '.join(LABELS)}."), user("I lost my card"))
        options = CompletionOptions(seed=7)
        whole = completer.complete(model, messages, options).text
        pieces = list(completer.stream(model, messages, options))

        async def both() -> tuple[str, str]:
            text = (await completer.complete_async(model, messages, options)).text
            streamed = [piece.text async for piece in completer.stream_async(model, messages, options)]
            return text, "".join(streamed)

        texts = {whole, "".join(piece.text for piece in pieces), *asyncio.run(both())}
        assert len(texts) == 1, f"different answers to one question: {texts}"
        assert pieces[-1].finish_reason, "the last piece of a stream has a finish_reason"

    def test_unknown_model_is_refused(self) -> None:
        """Asking a model that isn't there raises a `ProviderError`."""
        completer = completer_of(self.make_provider())
        ask = (user("hello"),)
        raised(ProviderError, lambda: completer.complete("no-such-model", ask, CompletionOptions()))
