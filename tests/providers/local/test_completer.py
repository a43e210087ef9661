import asyncio
import os
import shutil
import threading

import attrs
import pytest

from finetuner.data.examples import assistant, system, user
from finetuner.errors import NotFoundError, RequestRejectedError
from finetuner.providers.local import completer as module
from finetuner.providers.local.zero_shot import NO_LABELS
from finetuner.providers.ports import CompletionOptions

ASK = (user("please help me with my card"),)
OPTIONS = CompletionOptions()


@pytest.fixture
def tuned(bench):
    return bench.run(hyperparameters={"epochs": 3})


class TestAnswers:
    def test_a_tuned_model_knows_its_answers(self, bench, tuned):
        """The answer is a seen completion, with its probability, tokens and seconds."""
        completion = bench.provider.completer.complete(tuned.tuned_model, ASK, OPTIONS)
        assert (completion.text, completion.finish_reason) == ("card", "stop")
        assert 0.5 < completion.confidence <= 1
        assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (6, 1)
        assert completion.latency > 0

    def test_all_user_turns_count(self, bench, tuned):
        """The text is what users said in the whole conversation, not what the assistant said."""
        talk = (user("my card"), assistant("my login my login my login"), user("still"))
        assert bench.provider.completer.complete(tuned.tuned_model, talk, OPTIONS).text == "card"

    def test_a_checkpoint_is_a_model(self, bench, tuned):
        first = bench.provider.trainer.checkpoints(tuned.id)[0]
        completion = bench.provider.completer.complete(first.model, ASK, OPTIONS)
        final = bench.provider.completer.complete(tuned.tuned_model, ASK, OPTIONS)
        assert completion.confidence < final.confidence

    def test_the_base_guesses_among_the_labels_of_the_prompt(self, bench):
        prompt = (system("Answer with one of: refund, card, login."), *ASK)
        assert bench.provider.completer.complete("ngram-small", prompt, OPTIONS).text == "card"

    def test_the_base_says_what_it_is_where_no_labels_are_named(self, bench):
        completion = bench.provider.completer.complete("ngram-small", ASK, OPTIONS)
        assert (completion.text, completion.confidence) == (NO_LABELS, 0)

    def test_no_user_text_is_refused(self, bench):
        with pytest.raises(RequestRejectedError, match="no user's text"):
            bench.provider.completer.complete("ngram-small", (system("hello"),), OPTIONS)

    def test_async_and_stream_agree(self, bench, tuned):
        """Inline on a warm model, in a thread on a cold one: the answer is the same."""
        completer, model = bench.provider.completer, tuned.tuned_model

        async def ask():
            cold = await completer.complete_async(model, ASK, OPTIONS)
            warm = await completer.complete_async(model, ASK, OPTIONS)
            return cold.text, warm.text, "".join([c.text async for c in completer.stream_async(model, ASK, OPTIONS)])

        assert set(asyncio.run(ask())) == {"card"}
        *pieces, last = completer.stream(model, ASK, OPTIONS)
        assert "".join(piece.text for piece in pieces) == "card"
        assert (last.finish_reason, last.usage.completion_tokens) == ("stop", 1)


class TestOptions:
    def test_stop_cuts_and_max_tokens_shortens(self, bench):
        completer = bench.provider.completer
        cut = completer.complete("ngram-small", ASK, attrs.evolve(OPTIONS, stop=("hasn't", "tuned")))
        assert cut.text == NO_LABELS[: NO_LABELS.index("hasn't")]
        assert cut.finish_reason == "stop"
        short = completer.complete("ngram-small", ASK, attrs.evolve(OPTIONS, max_tokens=3))
        assert (short.text, short.finish_reason) == ("I am an", "length")

    def test_a_schema_that_no_answer_can_obey_is_refused(self, bench, tuned):
        with pytest.raises(RequestRejectedError, match=r"^response_schema "):
            bench.provider.completer.complete(tuned.tuned_model, ASK, attrs.evolve(OPTIONS, response_schema={}))


class TestUnknownModels:
    @pytest.mark.parametrize(
        "change",
        [
            lambda _: "nobody",
            lambda model: model[:-1] + ("0" if model[-1] != "0" else "1"),
            lambda model: model.replace("ngram-small", "ngram-base"),
            lambda model: model.replace(":local::", ":local:other:"),
            lambda model: f"{model}:ckpt-step-999999",
            lambda model: f"{model}:ckpt-step-x",
        ],
    )
    def test_they_are_not_found_and_the_known_ones_are_named(self, bench, tuned, change):
        with pytest.raises(NotFoundError) as caught:
            bench.provider.completer.complete(change(tuned.tuned_model), ASK, OPTIONS)
        assert "ngram-small" in str(caught.value)
        assert tuned.tuned_model in str(caught.value)

    def test_an_unfinished_job_has_no_model_yet(self, bench):
        job = bench.provider.trainer.create(bench.request(hyperparameters={"epochs": 50, "batch_size": 1}))
        name = f"ft:ngram-small:local::{job.id.removeprefix('ftjob-local-')}"
        with pytest.raises(NotFoundError, match="has the status"):
            bench.provider.completer.complete(name, ASK, OPTIONS)
        bench.provider.trainer.cancel(job.id)
        bench.finished(job.id)

    def test_a_removed_model_is_not_answered_from_memory(self, bench, tuned):
        bench.provider.completer.complete(tuned.tuned_model, ASK, OPTIONS)
        shutil.rmtree(bench.job(tuned.id).path)
        with pytest.raises(NotFoundError):
            bench.provider.completer.complete(tuned.tuned_model, ASK, OPTIONS)


class TestMemory:
    def test_weights_are_read_once_by_all_threads(self, bench, tuned):
        """Eight threads that ask a cold model at once load it once; a replaced file is read again."""
        before = module._load.cache_info().misses
        asked = [
            threading.Thread(target=bench.provider.completer.complete, args=(tuned.tuned_model, ASK, OPTIONS))
            for _ in range(8)
        ]
        for thread in asked:
            thread.start()
        for thread in asked:
            thread.join()
        assert module._load.cache_info().misses == before + 1
        os.utime(bench.job(tuned.id).weights(tuned.step), (1, 1))
        bench.provider.completer.complete(tuned.tuned_model, ASK, OPTIONS)
        assert module._load.cache_info().misses == before + 2
