import asyncio
import pickle

import attrs
import pytest

from finetuner.data.examples import system, user
from finetuner.errors import UnknownNameError, UsageError
from finetuner.providers.model import Model
from finetuner.testing import ScriptedProvider


def test_naming_a_model_connects_nothing():
    """Even a provider that nobody installed is only missed at the first answer."""
    model = Model("nobody:model")
    assert str(model) == "nobody:model"
    with pytest.raises(UnknownNameError):
        model.complete("hi")


def test_a_text_is_one_users_message():
    provider = ScriptedProvider(answers="pong")
    model = Model("scripted:m", provider=provider)
    assert model.complete("ping").text == "pong"
    assert model.complete((system("s"), user("ping"))).text == "pong"
    assert [len(call.messages) for call in provider.completer.calls] == [1, 2]
    assert provider.completer.calls[0].messages == (user("ping"),)


def test_all_ways_to_ask_give_the_answer():
    model = Model("scripted:m", provider=ScriptedProvider(answers="one two"))

    async def ask():
        return (await model.complete_async("q")).text, "".join([piece.text async for piece in model.stream_async("q")])

    assert {"".join(piece.text for piece in model.stream("q")), *asyncio.run(ask())} == {"one two"}


def test_a_provider_that_serves_no_models_says_so():
    provider = attrs.evolve(Model("local:ngram-small").provider, completer=None)
    with pytest.raises(UsageError, match="doesn't serve them"):
        Model("local:ngram-small", provider=provider).complete("q")


def test_the_connection_is_kept_and_is_no_part_of_the_model(tmp_path, monkeypatch):
    """One connection for all answers; equality, repr and pickles know only the name."""
    monkeypatch.setenv("FINETUNER_WORKSPACE", str(tmp_path))
    model = Model("local:ngram-small")
    assert model.provider is model.provider
    assert model.connected().provider is model.provider
    assert model == Model("local:ngram-small")
    assert "Provider" not in repr(model)
    assert pickle.loads(pickle.dumps(model)) == model


def test_a_model_is_its_own_model():
    model = Model("scripted:m")
    assert Model.of(model) is model
    assert Model.of("scripted:m") == model
