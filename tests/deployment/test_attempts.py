"""What is known about a request without any I/O: ids, budgets, sizes, texts."""

from types import SimpleNamespace as Thing
from typing import Any

import pytest

from finetuner.data.examples import system, user
from finetuner.deployment.attempts import Attempt, RequestIds, RouterOptions, name_of, size_of, text_of
from finetuner.deployment.deadlines import LateError
from finetuner.deployment.snapshot import Assignment
from finetuner.providers.ports import Completion, CompletionOptions, Usage
from finetuner.testing.clock import FakeClock


def attempt(clock: FakeClock, options: CompletionOptions, **rules: Any) -> Attempt:
    return Attempt(
        Assignment("tuned", "bucket", by_chance=True),
        prompt="hi", options=options, unit="u", state=None, rules=RouterOptions(**rules), clock=clock, request_id="r",
    )  # fmt: skip


def test_ids_are_unique_and_tell_nothing() -> None:
    ids, others = RequestIds(), RequestIds()
    made = [ids.next() for _ in range(1000)] + [others.next() for _ in range(1000)]
    assert len(set(made)) == 2000
    assert {len(found) for found in made} == {32}


@pytest.mark.parametrize(("timeout", "total"), [(None, 120.0), (10.0, 10.0)])
def test_tuned_gets_its_part_and_base_what_is_left(timeout: float | None, total: float) -> None:
    clock, options = FakeClock(), CompletionOptions(timeout=timeout)
    request = attempt(clock, options, tuned_part=0.25)
    assert request.tuned_options.timeout == request.tuned_seconds == total / 4
    assert request.base_options is options
    clock.advance(3)
    request.tuned_failed(LateError("late"))
    assert request.base_options.timeout == total - 3
    clock.advance(1000)
    assert (request.base_options.timeout or 0) > 0


def test_the_latency_is_tuneds_and_the_wait_the_users() -> None:
    clock = FakeClock()
    request = attempt(clock, CompletionOptions())
    clock.advance(2)
    request.tuned_failed(ValueError())
    clock.advance(1)
    event = request.observed("base", Completion(text="old", model="m", usage=Usage(prompt_tokens=1)), None)
    assert (event.error, event.latency, event.waited, event.prompt_tokens) == ("ValueError", 2, 3, 1)
    assert (event.assigned, event.served, event.cost_usd) == ("tuned", "base", None)


def test_tokens_that_nobody_told_are_unknown_not_none() -> None:
    event = attempt(FakeClock(), CompletionOptions()).observed("tuned", Completion(text="new", model="m"), None)
    assert (event.prompt_tokens, event.completion_tokens) == (None, None)


@pytest.mark.parametrize(("error", "name"), [(LateError("x"), "Timeout"), (KeyError("x"), "KeyError")])
def test_what_an_event_calls_an_error(error: BaseException, name: str) -> None:
    assert name_of(error) == name


@pytest.mark.parametrize("prompt", ["x" * 50, (user("x" * 50),), [system("x" * 20), user("x" * 30)], {"a": "x" * 50}])
def test_about_how_large_a_prompt_is(prompt: Any) -> None:
    assert 50 <= size_of(prompt) < 100


@pytest.mark.parametrize("prompt", [Thing(a=1), 7, None, [object()]])
def test_a_prompt_of_any_kind_has_a_size_and_a_text(prompt: Any) -> None:
    assert size_of(prompt) > 0
    assert isinstance(text_of(prompt), str)


def test_messages_are_kept_as_json() -> None:
    assert '"content":"I lost my card"' in text_of((user("I lost my card"),))
