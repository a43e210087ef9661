"""Routing for a service that calls `client.chat.completions.create` already: it changes two lines.

Any client of OpenAI's shape, sync or async: nothing of its SDK is imported here.
"""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeVar, cast

import attrs

from finetuner._core import codec
from finetuner._core.clock import SYSTEM_CLOCK, Clock
from finetuner.deployment.attempts import RouterOptions
from finetuner.deployment.rollout import Rollout
from finetuner.deployment.router import Router
from finetuner.errors import UsageError
from finetuner.providers.ports import CompletionOptions
from finetuner.providers.reference import ModelReference

C = TypeVar("C")
Arguments = Mapping[str, Any]

_ID = "_finetuner_request_id"


def user_of(arguments: Arguments) -> str | None:
    """The unit of a request: OpenAI's `safety_identifier`, else its `user`; None where it has neither."""
    return arguments.get("safety_identifier") or arguments.get("user") or None


def routed(
    client: C,
    rollout: Rollout,
    *,
    unit: Callable[[Arguments], str | int | None] = user_of,
    options: RouterOptions | None = None,
    clock: Clock = SYSTEM_CLOCK,
    **router: Any,
) -> C:
    """The same client, whose `chat.completions.create` with the rollout's base model goes where the rollout says.

    Other models and everything else go through as before. Answers are the client's own objects, streams too.

    Args:
        client: Such as `openai.OpenAI()` or `openai.AsyncOpenAI()`.
        rollout: Of two models that this client serves.
        unit: The user or conversation of a request, from its arguments.
        options: Of the router; by default texts are the request's messages.
        clock: Tells the time.
        router: More of `Router`'s arguments: `breaker`, `shadow`, `recorder`, `arms`.

    Example:
        ```python
        client = OpenAI()
        client = routed(client, Rollout.get("tickets"))  # new
        answer = client.chat.completions.create(model="gpt-4.1-mini", messages=messages, user=user_id)  # user is new
        feedback(client, answer, quality=1.0)  # when it is known
        ```
    """
    state = rollout.state
    completions = cast("Any", client).chat.completions
    base, tuned = (ModelReference.parse(name).model for name in (state.base, state.tuned))
    is_async = hasattr(client, "__aenter__") or inspect.iscoroutinefunction(completions.create)
    rules = options or RouterOptions()
    rules = attrs.evolve(rules, text=rules.text or _messages)
    arms = (_arm(completions.create, model, is_async=is_async) for model in (None, tuned))
    routes = Router(rollout, base=next(arms), tuned=next(arms), options=rules, clock=clock, **router)
    route = _AsyncRoute if is_async else _Route
    create = route(routes, completions.create, base, unit).create
    proxied = _Proxy(completions, {"create": create})
    chat = _Proxy(cast("Any", client).chat, {"completions": proxied})
    return cast("C", _Proxy(client, {"chat": chat, "router": routes}))


def request_id(answer: Any) -> str:
    """The id under which an answer or stream of a routed client was recorded.

    Raises:
        UsageError: It came from elsewhere, or from a model that isn't routed.
    """
    found = getattr(answer, _ID, None) or getattr(answer, "request_id", None)
    if not isinstance(found, str):
        raise UsageError("this answer wasn't routed: ask for the rollout's base model through the routed client")
    return found


def feedback(client: Any, answer: Any, *, quality: float) -> None:
    """Tell how good an answer of a routed client was, 0 (useless) to 1."""
    client.router.feedback(request_id(answer), quality=quality)


class _Proxy:
    """Another object, with some attributes replaced."""

    def __init__(self, target: Any, replaced: Mapping[str, Any]) -> None:
        self._target = target
        self._replaced = replaced

    def __getattr__(self, name: str) -> Any:
        """The replacement, or what the object has."""
        return self._replaced[name] if name in self._replaced else getattr(self._target, name)

    def __repr__(self) -> str:
        """Tell what is routed."""
        return f"routed({self._target!r})"

    def __enter__(self) -> Self:
        """Enter the object."""
        self._target.__enter__()
        return self

    def __exit__(self, *error: object) -> Any:
        """Drain the router and leave the object."""
        if "router" in self._replaced:
            self._replaced["router"].close()
        return self._target.__exit__(*error)

    async def __aenter__(self) -> Self:
        """Enter the object."""
        await self._target.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> Any:
        """Drain the router and leave the object."""
        if "router" in self._replaced:
            await self._replaced["router"].aclose()
        return await self._target.__aexit__(*error)


@attrs.frozen
class _Route:
    router: Router
    original: Callable[..., Any]
    base: str
    unit: Callable[[Arguments], str | int | None]

    def create(self, **arguments: Any) -> Any:
        """Create a completion, by the model that the rollout says."""
        if arguments.get("model") != self.base:
            return self.original(**arguments)
        options = _options(arguments)
        if arguments.get("stream"):
            return self.router.stream(arguments, unit=self.unit(arguments), options=options)
        answer = self.router.complete(arguments, unit=self.unit(arguments), options=options)
        return _marked(answer.raw, answer.request_id)


@attrs.frozen
class _AsyncRoute:
    router: Router
    original: Callable[..., Any]
    base: str
    unit: Callable[[Arguments], str | int | None]

    async def create(self, **arguments: Any) -> Any:
        """Create a completion, by the model that the rollout says."""
        if arguments.get("model") != self.base:
            return await self.original(**arguments)
        options = _options(arguments)
        if arguments.get("stream"):
            return await self.router.stream_async(arguments, unit=self.unit(arguments), options=options)
        answer = await self.router.complete_async(arguments, unit=self.unit(arguments), options=options)
        return _marked(answer.raw, answer.request_id)


def _arm(create: Callable[..., Any], model: str | None, *, is_async: bool) -> Callable[..., Any]:
    """A callable that asks the client for a model, or for the one that the request names."""

    def complete(arguments: Arguments, options: CompletionOptions) -> Any:
        return create(**_arguments(arguments, model, options))

    async def complete_async(arguments: Arguments, options: CompletionOptions) -> Any:
        return await create(**_arguments(arguments, model, options))

    return complete_async if is_async else complete


def _arguments(arguments: Arguments, model: str | None, options: CompletionOptions) -> Arguments:
    changed = dict(arguments)
    if model is not None:
        changed["model"] = model
    if options.timeout is not None:
        changed["timeout"] = options.timeout
    return changed


def _options(arguments: Arguments) -> CompletionOptions:
    timeout = arguments.get("timeout")
    return CompletionOptions(timeout=float(timeout) if isinstance(timeout, int | float) else None)


def _messages(arguments: Any) -> str:
    return codec.encode(arguments.get("messages")).decode()


def _marked(answer: Any, request_id: str) -> Any:
    object.__setattr__(answer, _ID, request_id)  # beside the fields: the answer reads, prints and compares as before
    return answer
