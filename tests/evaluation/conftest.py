"""Data and models with behavior, for tests of evaluation."""

import threading
from collections.abc import Callable, Iterator, Sequence

import attrs
import pytest

from finetuner._core.hashing import json_sha256
from finetuner.data.examples import Example, Message, assistant, user
from finetuner.providers.catalog import BaseModel, Catalog, Prices
from finetuner.providers.model import Model
from finetuner.providers.ports import Completion, CompletionOptions, Provider, Usage


@attrs.frozen
class Rows:
    """Examples in memory, each on a line of its own."""

    examples: tuple[Example, ...]
    source: str = "rows.jsonl"

    @property
    def fingerprint(self) -> str:
        return json_sha256([example.content_hash for example in self.examples])

    def __len__(self) -> int:
        return len(self.examples)

    def __iter__(self) -> Iterator[Example]:
        return iter(self.examples)

    def line(self, index: int, /) -> int:
        return index + 1

    def prompt_hashes(self) -> tuple[str, ...]:
        return tuple(example.prompt_hash[:16] for example in self.examples)


Answer = Callable[[str], str | Exception | Completion]


@attrs.define
class Answering:
    """A completer that answers by a function of the user's text; an exception that it returns is raised."""

    answer: Answer
    asked: list[str] = attrs.field(factory=list)
    options: list[CompletionOptions] = attrs.field(factory=list)
    most_at_once: int = 0
    _now: int = 0
    _lock: threading.Lock = attrs.field(factory=threading.Lock)

    def complete(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Completion:
        text = messages[-1].text
        with self._lock:
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            self.asked.append(text)
            self.options.append(options)
        try:
            answer = self.answer(text)
        finally:
            with self._lock:
                self._now -= 1
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Completion):
            return answer
        usage = Usage(prompt_tokens=10, completion_tokens=2)
        return Completion(text=answer, model=model, usage=usage, latency=0.25)

    async def complete_async(self, model: str, messages: Sequence[Message], options: CompletionOptions) -> Completion:
        return self.complete(model, messages, options)

    def stream(self, model, messages, options):
        raise NotImplementedError

    def stream_async(self, model, messages, options):
        raise NotImplementedError


@attrs.define
class Ticking:
    """A clock that moves only when somebody sleeps."""

    time: float = 0.0
    slept: list[float] = attrs.field(factory=list)

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)


@pytest.fixture
def rows():
    """Data of `(prompt, answer)` pairs."""

    def of(pairs: Sequence[tuple[str, str]], source: str = "rows.jsonl") -> Rows:
        return Rows(tuple(Example(messages=(user(ask), assistant(answer))) for ask, answer in pairs), source)

    return of


@pytest.fixture
def model():
    """A model that answers by a function; `.completer` knows what was asked."""

    def of(answer: Answer, name: str = "test:m", prices: Prices | None = None) -> tuple[Model, Answering]:
        completer = Answering(answer)
        entries = () if prices is None else (BaseModel(id=name, prices=prices),)
        provider = Provider(
            name="test", formats=(), catalog=Catalog(provider="test", models=entries), completer=completer
        )
        return Model(name, provider=provider), completer

    return of


@pytest.fixture
def clock() -> Ticking:
    """Time that passes only in sleep."""
    return Ticking()


@pytest.fixture
def place(tmp_path):
    """A workspace of the test's own."""
    return tmp_path / "workspace"
