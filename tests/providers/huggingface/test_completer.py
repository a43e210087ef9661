"""Answers of a random model with real libraries: what they are is noise, how they come isn't."""

import asyncio

import attrs
import pytest

from finetuner.data.examples import user
from finetuner.errors import NotFoundError, RequestRejectedError
from finetuner.providers.ports import CompletionOptions

ASK = (user("help me with my card"),)
SHORT = CompletionOptions(max_tokens=6)
DICE = CompletionOptions(temperature=1.0, max_tokens=12, seed=7)

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # among libraries


@pytest.fixture
def completer(bench):
    return bench.provider.completer


def test_base_and_tuned_answer_differently(bench, completer, tuned):
    """The adapter is really there, and its base is unchanged by it."""
    before = completer.complete(bench.model, ASK, SHORT).text
    assert completer.complete(tuned, ASK, SHORT).text != before
    assert completer.complete(bench.model, ASK, SHORT).text == before


def test_a_checkpoint_answers_as_its_model(completer, tuned):
    assert completer.complete(f"{tuned}:ckpt-step-3", ASK, SHORT).text == completer.complete(tuned, ASK, SHORT).text


def test_pieces_are_the_whole(completer, tuned):
    """Streamed and awaited, greedy and sampled by a seed."""
    for options in (SHORT, DICE):
        whole = completer.complete(tuned, ASK, options)
        pieces = list(completer.stream(tuned, ASK, options))
        assert "".join(piece.text for piece in pieces) == whole.text
        assert (pieces[-1].finish_reason, pieces[-1].usage) == (whole.finish_reason, whole.usage)

        async def streamed(options=options):
            return [piece.text async for piece in completer.stream_async(tuned, ASK, options)]

        assert "".join(asyncio.run(streamed())) == whole.text
        assert asyncio.run(completer.complete_async(tuned, ASK, options)).text == whole.text


def test_a_seed_repeats_and_another_does_not(completer, tuned):
    answers = [completer.complete(tuned, ASK, attrs.evolve(DICE, seed=seed)).text for seed in (1, 1, 2, 3)]
    assert answers[0] == answers[1]
    assert len(set(answers)) > 1


def test_an_answer_ends_at_its_limit_and_counts_tokens(completer, tuned):
    answer = completer.complete(tuned, ASK, attrs.evolve(SHORT, logprobs=True))
    assert (answer.finish_reason, answer.usage.completion_tokens) == ("length", 6)
    assert len(answer.logprobs) == 6
    assert all(token.logprob <= 0 for token in answer.logprobs)
    assert 0 <= answer.confidence <= 1


def test_a_stop_ends_the_answer_and_is_not_in_it(completer, tuned):
    whole = completer.complete(tuned, ASK, DICE).text
    stop = whole[2:4]
    options = attrs.evolve(DICE, stop=(stop,))
    answer = completer.complete(tuned, ASK, options)
    assert (answer.text, answer.finish_reason) == (whole[: whole.index(stop)], "stop")
    assert "".join(piece.text for piece in completer.stream(tuned, ASK, options)) == answer.text


def test_an_answer_never_exceeds_the_context(bench, completer):
    """256 tokens hold prompt and answer of the tiny model."""
    answer = completer.complete(bench.model, ASK, CompletionOptions())
    assert answer.usage.total_tokens <= 256
    with pytest.raises(RequestRejectedError, match="context holds 256"):
        completer.complete(bench.model, (user("card " * 300),), SHORT)


def test_what_cannot_be_enforced_is_refused(completer, tuned):
    tool = {"type": "function", "function": {"name": "look", "parameters": {}}}
    with pytest.raises(RequestRejectedError, match="tool_choice"):
        completer.complete(tuned, ASK, attrs.evolve(SHORT, tools=(tool,), tool_choice="required"))
    with pytest.raises(RequestRejectedError, match="isn't JSON"):
        completer.complete(tuned, ASK, attrs.evolve(SHORT, response_schema={"type": "object"}))


@pytest.mark.parametrize("model", ["ft:tiny:huggingface::0123456789ab", "ft:other:huggingface:made:{digits}", "none"])
def test_unknown_models_are_not_found(completer, tuned, model):
    with pytest.raises(NotFoundError):
        completer.complete(model.format(digits=tuned.split(":")[-1]), ASK, SHORT)


def test_a_model_whose_job_goes_on_is_not_there_yet(bench, completer, tuned):
    folder = bench.job(bench.provider.trainer.list()[0].id)
    folder.write_state(attrs.evolve(folder.written_state(), status="failed"))
    with pytest.raises(NotFoundError, match="'failed'"):
        completer.complete(tuned, ASK, SHORT)
