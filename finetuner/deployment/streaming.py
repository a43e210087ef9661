"""Answers in pieces: another model can step in until the first piece with content is out, never after it."""

from collections.abc import AsyncIterator, Callable, Iterator
from types import TracebackType
from typing import Any, Literal, Self

import attrs

from finetuner.deployment.answers import described_chunk
from finetuner.deployment.state import Arm
from finetuner.providers.ports import Completion, Usage

End = Literal["finished", "closed"]


@attrs.frozen
class Opened:
    """A stream whose first piece with content is there.

    Attributes:
        pieces: What came so far, as it is.
        rest: What follows.
    """

    pieces: tuple[Any, ...]
    rest: Any


def first_piece(rest: Iterator[Any], unwanted: Callable[[], bool]) -> Opened:
    """Read a stream up to its first piece with content.

    Args:
        rest: The stream.
        unwanted: Asked afterwards whether nobody waits any more: then the stream is closed.
    """
    pieces: list[Any] = []
    for piece in rest:
        pieces.append(piece)
        if _has_content(piece):
            break
    if unwanted():
        _close(rest)
    return Opened(tuple(pieces), rest)


async def first_piece_async(rest: AsyncIterator[Any]) -> Opened:
    """Read a stream up to its first piece with content."""
    pieces: list[Any] = []
    async for piece in rest:
        pieces.append(piece)
        if _has_content(piece):
            break
    return Opened(tuple(pieces), rest)


class Tally:
    """What is known of a streamed answer so far."""

    __slots__ = ("_finish_reason", "_model", "_texts", "_usage", "on_end", "on_first")

    def __init__(
        self,
        model: str,
        on_first: Callable[[], None],
        on_end: Callable[[Completion, BaseException | None], None],
    ) -> None:
        """Begin to count.

        Args:
            model: Who answers.
            on_first: Told once, at the first piece with content.
            on_end: Told once, with all that came, and what ended it too early.
        """
        self._model = model
        self._texts: list[str] = []
        self._finish_reason: str | None = None
        self._usage: Usage | None = None
        self.on_first: Callable[[], None] | None = on_first
        self.on_end: Callable[[Completion, BaseException | None], None] | None = on_end

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._texts)

    def add(self, piece: Any) -> None:
        """Count a piece."""
        chunk = described_chunk(piece)
        if chunk.text:
            self._texts.append(chunk.text)
        self._finish_reason = chunk.finish_reason or self._finish_reason
        self._usage = chunk.usage or self._usage
        if self.on_first is not None and _has_content(piece):
            told, self.on_first = self.on_first, None
            told()

    def end(self, end: End, error: BaseException | None = None) -> None:
        """Tell the end, once."""
        told, self.on_end = self.on_end, None
        if told is not None:
            reason = self._finish_reason or ("closed" if end == "closed" else "stop")
            completion = Completion(
                text=self.text, model=self._model, finish_reason=reason, usage=self._usage or Usage()
            )
            told(completion, error)


class _Streamed:
    """What both kinds of streams have.

    Attributes:
        arm: The model that answers.
        request_id: For `feedback`.
    """

    def __init__(self, arm: Arm, request_id: str, opened: Opened, tally: Tally) -> None:
        self.arm: Arm = arm
        self.request_id = request_id
        self._first = iter(opened.pieces)
        self._rest = opened.rest
        self._tally = tally

    @property
    def text(self) -> str:
        """The text so far."""
        return self._tally.text

    def __getattr__(self, name: str) -> Any:
        """Whatever else the underlying stream offers."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._rest, name)

    def __del__(self) -> None:
        """A stream that nobody read to its end counts as left."""
        tally = self.__dict__.get("_tally")
        if tally is not None:
            tally.end("closed")


class Stream(_Streamed):
    """An answer in pieces, as the model gives them; `close` it, or use it as a context manager, to leave early."""

    def __iter__(self) -> Iterator[Any]:
        """The pieces."""
        return self

    def __next__(self) -> Any:
        """The next piece."""
        for piece in self._first:
            self._tally.add(piece)
            return piece
        try:
            piece = next(self._rest)
        except StopIteration:
            self._tally.end("finished")
            raise
        except BaseException as error:
            self._tally.end("finished", error)
            raise
        self._tally.add(piece)
        return piece

    def close(self) -> None:
        """Leave the stream."""
        self._tally.end("closed")
        _close(self._rest)

    def __enter__(self) -> Self:
        """Use as a context manager to leave it at the end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave."""
        self.close()


class AsyncStream(_Streamed):
    """An answer in pieces, without blocking the event loop; like `Stream`."""

    def __aiter__(self) -> AsyncIterator[Any]:
        """The pieces."""
        return self

    async def __anext__(self) -> Any:
        """The next piece."""
        for piece in self._first:
            self._tally.add(piece)
            return piece
        try:
            piece = await anext(self._rest)
        except StopAsyncIteration:
            self._tally.end("finished")
            raise
        except BaseException as error:
            self._tally.end("finished", error)
            raise
        self._tally.add(piece)
        return piece

    async def aclose(self) -> None:
        """Leave the stream."""
        self._tally.end("closed")
        for name in ("aclose", "close"):
            closer = getattr(self._rest, name, None)
            if closer is not None:
                await closer()
                return

    close = aclose

    async def __aenter__(self) -> Self:
        """Use as a context manager to leave it at the end."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave."""
        await self.aclose()


def _has_content(piece: Any) -> bool:
    chunk = described_chunk(piece)
    return bool(chunk.text) or chunk.finish_reason is not None


def _close(stream: Any) -> None:
    closer = getattr(stream, "close", None)
    if closer is not None:
        closer()
