"""Writing an answer token by token: greedy or sampled, repeatable by seed, in pieces, until a stop."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, Final

import attrs

from finetuner.providers.huggingface import libraries
from finetuner.providers.huggingface.weights import Tokenizer, context_of
from finetuner.providers.ports import CompletionOptions, TokenLogprob

_LONGEST: Final = 1_024
_TORN: Final = "\ufffd"  # how a tokenizer shows bytes that aren't yet a character


@attrs.frozen
class Engine:
    """A model in memory with its tokenizer; several answers may be written at once.

    Attributes:
        model: The model.
        tokenizer: Its tokenizer.
    """

    model: Any
    tokenizer: Tokenizer

    @property
    def context(self) -> int | None:
        """The most tokens of prompt and answer together."""
        return context_of(self.model, self.tokenizer)

    @property
    def ends(self) -> frozenset[int]:
        """Tokens that end an answer."""
        named: Any = self.model.generation_config.eos_token_id
        many: list[Any] = [*named] if isinstance(named, list) else [named]
        return frozenset(int(token) for token in (*many, self.tokenizer.native.eos_token_id) if token is not None)


@attrs.define
class Answer:
    """An answer that is being written.

    Attributes:
        text: So far, up to the first stop.
        finish_reason: `stop` or `length`, once it is whole.
        tokens: How many were written, the one that ended it included.
        logprobs: Those of the tokens in the text.
    """

    text: str = ""
    finish_reason: str = "length"
    tokens: int = 0
    logprobs: list[TokenLogprob] = attrs.field(factory=list[TokenLogprob])


def write(engine: Engine, prompt: Sequence[int], options: CompletionOptions, answer: Answer) -> Iterator[str]:
    """The answer in pieces, which are whole characters and never hold a part of a stop.

    Args:
        engine: Who answers.
        prompt: Tokens of the prompt.
        options: Temperature, seed, limits and stops.
        answer: Filled on the way.
    """
    stops = tuple(stop for stop in options.stop if stop)
    written: list[int] = []
    sent = 0
    for token, logprob in _tokens(engine, prompt, options):
        answer.tokens += 1
        if token in engine.ends:
            answer.finish_reason = "stop"
            break
        written.append(token)
        text = engine.tokenizer.decode(written)
        answer.logprobs.append(TokenLogprob(engine.tokenizer.decode([token]), logprob))
        found = [place for place in (text.find(stop) for stop in stops) if place >= 0]
        if found:
            answer.text, answer.finish_reason = text[: min(found)], "stop"
            break
        answer.text = text
        ready = certain(text, stops)
        if ready > sent:
            yield text[sent:ready]
            sent = ready
    if len(answer.text) > sent:
        yield answer.text[sent:]


def certain(text: str, stops: Sequence[str]) -> int:
    """How much of an unfinished text can be shown: neither half a character nor what may become a stop.

    Args:
        text: The text so far, which holds no stop.
        stops: Texts that end an answer.
    """
    whole = len(text.rstrip(_TORN))
    held = max(
        (size for stop in stops for size in range(1, len(stop)) if text.endswith(stop[:size])),
        default=0,
    )
    return min(whole, len(text) - held)


def _tokens(engine: Engine, prompt: Sequence[int], options: CompletionOptions) -> Iterator[tuple[int, float]]:
    """Tokens with their log probabilities, up to the limit of the answer or of the model."""
    torch, model = libraries.torch(), engine.model
    room = _LONGEST if engine.context is None else max(0, engine.context - len(prompt))
    limit = min(room, options.max_tokens or _LONGEST)
    temperature = _temperature(model, options)
    dice = torch.Generator(device=model.device)
    if options.seed is not None:
        dice.manual_seed(options.seed)
    else:
        dice.seed()
    memory = libraries.transformers().DynamicCache(config=model.config)
    settings = {_memory_name(model): memory, "use_cache": True}
    given = torch.tensor([list(prompt)], device=model.device)
    for _ in range(limit):
        with torch.inference_mode():
            logits = model(input_ids=given, **settings).logits[0, -1].float()
            if temperature:
                chosen = torch.multinomial(torch.softmax(logits / temperature, -1), 1, generator=dice)
            else:
                chosen = logits.argmax().reshape(1)
            logprob = float(torch.log_softmax(logits, -1)[chosen])
        given = chosen.reshape(1, 1)
        yield int(chosen), logprob


def _memory_name(model: Any) -> str:
    """What the model calls its memory of the tokens so far: the name changes in transformers 5."""
    plain = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "cache" if "cache" in inspect.signature(plain.forward).parameters else "past_key_values"


def _temperature(model: Any, options: CompletionOptions) -> float:
    """0 is greedy; without a wish, the model's own setting."""
    if options.temperature is not None:
        return options.temperature
    settings = model.generation_config
    return float(settings.temperature or 1.0) if settings.do_sample else 0.0
