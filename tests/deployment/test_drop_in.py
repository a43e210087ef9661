"""A service that calls `client.chat.completions.create` changes two lines: the real SDK against the emulator."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI, OpenAI

from finetuner.deployment import observations
from finetuner.deployment.attempts import RouterOptions
from finetuner.deployment.drop_in import feedback, request_id, routed, user_of
from finetuner.deployment.observations import Observation
from finetuner.deployment.rollout import Rollout
from finetuner.emulator import Emulator
from finetuner.errors import UsageError

BASE, TUNED, OTHER = "gpt-4.1-mini-2025-04-14", "gpt-4.1-nano-2025-04-14", "gpt-4.1-2025-04-14"
MESSAGES: Any = [{"role": "user", "content": "I lost my card"}]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Emulator() as emulator:
        yield emulator.url


@pytest.fixture
def rollout(tmp_path: Path) -> Rollout:
    return Rollout.create("tickets", base=f"openai:{BASE}", tuned=f"openai:{TUNED}", store=tmp_path)


def events(rollout: Rollout) -> list[Observation]:
    observations.fold(rollout.events_folder, rollout.journal, rollout.name)
    return list(observations.folded(rollout.journal, rollout.name))


def test_two_lines_route_a_service(url: str, rollout: Rollout) -> None:
    """Answers are the SDK's own; each user keeps an arm; other models and all the rest pass through."""
    rollout.ramp(0.5)
    plain = OpenAI(base_url=url, api_key="any", max_retries=0)
    with routed(plain, rollout) as client:
        answers = {
            user: client.chat.completions.create(model=BASE, messages=MESSAGES, user=user)
            for user in (f"u{number}" for number in range(12))
        }
        models = {user: answer.model for user, answer in answers.items()}
        assert set(models.values()) == {BASE, TUNED}
        again = client.chat.completions.create(model=BASE, messages=MESSAGES, user="u1")
        assert again.model == models["u1"]
        assert type(again) is type(plain.chat.completions.create(model=BASE, messages=MESSAGES))
        assert set(json.loads(again.model_dump_json())) == set(
            json.loads(type(again).model_validate(again.model_dump()).model_dump_json())
        )
        assert client.chat.completions.create(model=OTHER, messages=MESSAGES, user="u1").model == OTHER
        assert len(client.models.list().data) > 1
        feedback(client, again, quality=1.0)
    seen = events(rollout)
    exposures = [event for event in seen if event.kind == "exposure"]
    assert len(exposures) == 13
    assert all((event.prompt_tokens or 0) > 0 and event.cost_usd is not None for event in exposures)
    assert all(event.served == ("tuned" if models[str(event.unit)] == TUNED else "base") for event in exposures)
    assert [event.request_id for event in seen if event.kind == "feedback"] == [request_id(again)]


def test_streams_are_routed_and_counted(url: str, rollout: Rollout) -> None:
    rollout.ramp(0.5)
    rollout.promote()
    with routed(OpenAI(base_url=url, api_key="any"), rollout, options=RouterOptions(texts="all")) as client:
        chunks = client.chat.completions.create(
            model=BASE, messages=MESSAGES, user="u1", stream=True, stream_options={"include_usage": True}
        )
        parts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
        feedback(client, chunks, quality=0.0)
    exposure, liked = events(rollout)
    assert (exposure.served, exposure.answer) == ("tuned", "".join(parts))
    assert exposure.first_token is not None
    assert (exposure.completion_tokens or 0) > 0
    assert json.loads(exposure.prompt or "") == MESSAGES
    assert liked.request_id == exposure.request_id


def test_async_clients_are_routed_too(url: str, rollout: Rollout) -> None:
    rollout.ramp(0.5)
    rollout.promote()

    async def main() -> tuple[str, str]:
        async with routed(AsyncOpenAI(base_url=url, api_key="any"), rollout) as client:
            answer = await client.chat.completions.create(model=BASE, messages=MESSAGES, user="u1")
            other = await client.chat.completions.create(model=OTHER, messages=MESSAGES, user="u1")
            stream = await client.chat.completions.create(model=BASE, messages=MESSAGES, user="u1", stream=True)
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
            assert (other.model, text) == (OTHER, answer.choices[0].message.content)
            feedback(client, answer, quality=1.0)
            return answer.model, request_id(answer)

    model, asked = asyncio.run(main())
    assert model == TUNED
    assert [event.request_id for event in events(rollout)].count(asked) == 2


def test_a_tuned_model_that_is_gone_is_replaced_by_base(url: str, tmp_path: Path) -> None:
    rollout = Rollout.create("gone", base=f"openai:{BASE}", tuned="openai:ft:no-such-model", store=tmp_path)
    rollout.ramp(0.5)
    rollout.promote()
    with routed(OpenAI(base_url=url, api_key="any", max_retries=0), rollout) as client:
        assert client.chat.completions.create(model=BASE, messages=MESSAGES, user="u1").model == BASE
    (event,) = events(rollout)
    assert (event.assigned, event.served, event.error) == ("tuned", "base", "NotFoundError")


def test_shadows_run_in_the_services_own_loop_and_are_drained(url: str, rollout: Rollout) -> None:
    rollout.shadow(1.0)

    async def main() -> None:
        async with routed(AsyncOpenAI(base_url=url, api_key="any"), rollout) as client:
            for _ in range(3):
                await client.chat.completions.create(model=BASE, messages=MESSAGES, user="u1")

    asyncio.run(main())
    assert [event.kind for event in events(rollout) if event.error is None].count("shadow") == 3


def test_an_answer_from_elsewhere_has_no_request_id() -> None:
    with pytest.raises(UsageError, match="wasn't routed"):
        request_id(object())


@pytest.mark.parametrize(
    ("arguments", "unit"),
    [({"safety_identifier": "s", "user": "u"}, "s"), ({"user": "u"}, "u"), ({}, None), ({"user": ""}, None)],
)
def test_the_user_of_a_request_is_its_unit(arguments: dict[str, str], unit: str | None) -> None:
    assert user_of(arguments) == unit
