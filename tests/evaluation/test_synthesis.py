"""Synthetic data: paid answers are kept, never bought twice, and only good ones become examples."""

import asyncio
import subprocess
import sys
from collections import Counter

import pytest

import finetuner as ft
from finetuner.data.dataset import Dataset
from finetuner.data.examples import Example, assistant, user
from finetuner.errors import AuthenticationError, BudgetExceededError, RequestRejectedError, UsageError
from finetuner.evaluation.synthesis import Settings, estimated, synthesis
from finetuner.providers.catalog import BaseModel, Catalog, Prices
from finetuner.providers.model import Model
from finetuner.providers.ports import Completion, Usage
from finetuner.testing import ScriptedProvider

WORDS = ("amber", "birch", "cedar", "delta", "ember", "flint", "grove", "haven", "islet", "jetty", "knoll", "larch")
PROMPTS = [f"How do I plant {one} beside {other}?" for one in WORDS[:5] for other in WORDS[5:9]]


def answer(_model, messages):
    return f"Dig deep for {messages[-1].text.split(' plant ')[-1].rstrip('?')}, then water it well for a week."


def teacher(answers=answer, **script):
    provider = ScriptedProvider(answers=answers, **script)
    return Model("scripted:wise", provider=provider), provider.completer


def asked(completer):
    return [call.messages[-1].text for call in completer.calls]


def test_answers_become_examples_in_the_order_of_the_prompts(tmp_path):
    model, _ = teacher()
    data = ft.synthesize(PROMPTS, model, system="Be kind.", workspace=tmp_path)
    assert [example.user_text for example in data] == PROMPTS
    assert data[0].completion == "Dig deep for amber beside flint, then water it well for a week."
    assert data[0].system == "Be kind."
    assert data.lineage.steps[-1].parameters["teacher"] == "scripted:wise"


def test_nothing_is_asked_twice_where_prompts_are_added_and_moved(tmp_path):
    first, _ = teacher()
    ft.synthesize(PROMPTS[:8], first, workspace=tmp_path)
    second, completer = teacher()
    found = synthesis(["One more?", *reversed(PROMPTS[4:12])], second, Settings(), workspace=tmp_path)
    assert sorted(asked(completer)) == sorted(["One more?", *PROMPTS[8:12]])
    assert (found.asked, found.reused) == (5, 4)
    third, completer = teacher()
    assert synthesis(PROMPTS[:12], third, Settings(), workspace=tmp_path).asked == 0
    assert completer.calls == []


def test_another_model_or_another_way_to_answer_is_asked_anew(tmp_path):
    first, _ = teacher()
    ft.synthesize(PROMPTS[:3], first, workspace=tmp_path)
    second, completer = teacher()
    ft.synthesize(PROMPTS[:3], second, system="Be brief.", workspace=tmp_path)
    assert len(completer.calls) == 3


KILLED = """
import os, signal, sys
from finetuner.providers.model import Model
from finetuner.testing import ScriptedProvider
import finetuner as ft

def answer(_model, messages):
    with open(sys.argv[2], "a") as file:
        file.write(messages[-1].text + "\\n")
    if sum(1 for _ in open(sys.argv[2])) == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return f"A long enough answer to {messages[-1].text}"

ft.synthesize(
    sys.argv[3:],
    Model("scripted:wise", provider=ScriptedProvider(answers=answer)),
    workspace=sys.argv[1],
    concurrency=1,
)
"""


def test_kill_9_loses_no_paid_answer_and_buys_none_twice(tmp_path):
    """Killed in the seventh call: six answers are kept, the next run asks for the other six, also in another order."""
    log = tmp_path / "asked.txt"
    prompts = PROMPTS[:12]
    command = [sys.executable, "-c", KILLED, str(tmp_path / "workspace"), str(log), *prompts]
    killed = subprocess.run(command, check=False, timeout=120)
    assert killed.returncode == -9
    bought = log.read_text("utf-8").splitlines()[:6]
    model, completer = teacher()
    found = synthesis(["Added?", *prompts], model, Settings(), workspace=tmp_path / "workspace")
    assert (found.reused, found.asked) == (6, 7)
    assert not set(asked(completer)) & set(bought)
    assert len(found.dataset) == 13


def test_two_runs_at_once_buy_each_answer_once(tmp_path):
    model, completer = teacher(latency=0.001)

    async def both():
        runs = [ft.synthesize_async(PROMPTS, model, workspace=tmp_path) for _ in range(2)]
        return await asyncio.gather(*runs)

    first, second = asyncio.run(both())
    assert Counter(asked(completer)) == Counter(PROMPTS)
    assert list(first) == list(second)


def test_useless_and_repeated_answers_are_counted_and_left_out(tmp_path):
    seeds = Dataset.from_examples([Example(messages=(user(PROMPTS[5]), assistant("As it grows.")))])
    answers = {
        PROMPTS[0]: Completion(text="cut", model="m", finish_reason="length"),
        PROMPTS[1]: Completion(text="no", model="m", refusal="no"),
        PROMPTS[2]: Completion(text=" ", model="m"),
        PROMPTS[3]: Completion(text="I'm sorry, but I can't help with gardens.", model="m"),
    }
    model, _ = teacher(lambda name, messages: answers.get(messages[-1].text) or answer(name, messages))
    found = synthesis(PROMPTS[:10], model, Settings(seeds=seeds), workspace=tmp_path)
    assert found.dropped == {"truncated": 1, "refused": 1, "empty_response": 1, "boilerplate": 1, "like_a_seed": 1}
    assert [example.user_text for example in found.dataset] == [PROMPTS[4], *PROMPTS[6:10]]


def test_labels_give_requests_for_each_label(tmp_path):
    def write(_model, messages):
        number = sum(map(ord, messages[-1].text)) % 997
        return f"My {messages[-1].text.split('clearly: ')[1].split('.')[0]} of {WORDS[number % 12]} number {number}"

    seeds = Dataset.from_examples(
        [
            Example(messages=(user(f"{word} is mine"), assistant(label)))
            for word in WORDS
            for label in ("refund", "card")
        ]
    )
    model, _ = teacher(write)
    data = ft.synthesize(teacher=model, labels={"refund": 6, "card": 4}, seeds=seeds, workspace=tmp_path)
    assert set(data.analyze(tokens=False).classes) == {"refund", "card"}
    assert all(example.metadata["synthetic"] for example in data)


def test_the_cost_is_known_before_and_capped(tmp_path):
    """A token costs 1 USD here: what can't be paid isn't asked, what was paid is kept and costs nothing again."""
    prices = Prices(input=1_000_000.0, output=1_000_000.0)
    catalog = Catalog(provider="scripted", models=(BaseModel(id="scripted:wise", prices=prices),))
    usage = Usage(prompt_tokens=10, completion_tokens=10)

    def priced(name, messages):
        return Completion(text=answer(name, messages), model="wise", usage=usage)

    model, completer = teacher(priced, catalog=catalog)
    settings = Settings(max_usd=500.0, concurrency=1)
    before = estimated(PROMPTS, model, settings, workspace=tmp_path)
    assert (before.answers, before.known) == (20, 0)
    assert before.usd > 20 * 20
    with pytest.raises(BudgetExceededError, match="run again"):
        synthesis(PROMPTS, model, settings, workspace=tmp_path)
    bought = len(completer.calls)
    assert 0 < bought < 20
    found = synthesis(PROMPTS[:bought], model, settings, workspace=tmp_path)
    assert (found.asked, found.reused, found.cost) == (0, bought, 0)
    assert estimated(PROMPTS, model, settings, workspace=tmp_path).known == bought


def test_a_budget_needs_a_price(tmp_path):
    model, _ = teacher(catalog=Catalog(provider="scripted", models=(BaseModel(id="scripted:wise"),)))
    with pytest.raises(UsageError, match="price"):
        ft.synthesize(PROMPTS, model, max_usd=1.0, workspace=tmp_path)


def test_a_single_failing_prompt_is_counted_and_asked_again_next_time(tmp_path):
    def moody(name, messages):
        if messages[-1].text == PROMPTS[1]:
            raise RequestRejectedError("no", provider="scripted")
        return answer(name, messages)

    model, _ = teacher(moody)
    found = synthesis(PROMPTS[:3], model, Settings(), workspace=tmp_path)
    assert (found.asked, found.failed, len(found.dataset)) == (2, 1, 2)
    again, completer = teacher()
    assert len(synthesis(PROMPTS[:3], again, Settings(), workspace=tmp_path).dataset) == 3
    assert asked(completer) == [PROMPTS[1]]


def test_a_wrong_key_stops_everything(tmp_path):
    def locked(_name, _messages):
        raise AuthenticationError("no", provider="scripted")

    model, _ = teacher(locked)
    with pytest.raises(AuthenticationError):
        ft.synthesize(PROMPTS[:3], model, workspace=tmp_path)


def test_there_has_to_be_something_to_ask(tmp_path):
    model, _ = teacher()
    with pytest.raises(UsageError, match="nothing to ask"):
        ft.synthesize(teacher=model, workspace=tmp_path)
