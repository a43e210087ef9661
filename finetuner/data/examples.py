"""One training example: the currency that all layers share."""

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType

import attrs

from finetuner._core.hashing import json_sha256
from finetuner._core.types import Json

_NOTHING: Mapping[str, Json] = MappingProxyType({})


@attrs.frozen
class TextPart:
    """A piece of text inside a message of several parts."""

    text: str


@attrs.frozen
class MediaPart:
    """An image or other file that a message refers to.

    Attributes:
        uri: `https://…`, `gs://…` or `data:…`.
        mime_type: Such as `image/png`, where the format gives it.
        detail: OpenAI's image detail (`low`, `high`, `auto`), where given.
    """

    uri: str
    mime_type: str | None = None
    detail: str | None = None


Part = TextPart | MediaPart


@attrs.frozen
class ToolCall:
    """An assistant's call of a tool.

    Attributes:
        id: Ties the tool's answer to the call.
        name: The function's name.
        arguments: JSON text, as the model wrote it.
    """

    id: str
    name: str
    arguments: str


@attrs.frozen(kw_only=True)
class Message:
    """One turn.

    Attributes:
        role: `system`, `developer`, `user`, `assistant` or `tool`.
        content: Text, parts, or None where an assistant only calls tools.
        name: The speaker's name, where given.
        tool_calls: What an assistant calls.
        tool_call_id: Which call a `tool` message answers.
        weight: 0 leaves an assistant message out of the loss, 1 keeps it, None is the provider's default (1).
    """

    role: str
    content: str | tuple[Part, ...] | None = None
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None
    weight: int | None = None

    @property
    def text(self) -> str:
        """All text of the message; media parts are left out."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return "\n".join(part.text for part in self.content if isinstance(part, TextPart))


def system(text: str) -> Message:
    """A system message."""
    return Message(role="system", content=text)


def user(text: str) -> Message:
    """A user's message."""
    return Message(role="user", content=text)


def assistant(text: str) -> Message:
    """An assistant's message."""
    return Message(role="assistant", content=text)


@attrs.frozen(kw_only=True, slots=False)  # no slots: cached_property
class Example:
    """A conversation to learn from, or a prompt to answer.

    Attributes:
        messages: The conversation, oldest first. The last one is the assistant's where there is something to learn.
        preferred: In preference data, the better answer to `messages` (which then end with the user).
        rejected: In preference data, the worse answer.
        tools: Tool definitions in OpenAI's shape (`{"type": "function", "function": {…}}`).
        parallel_tool_calls: OpenAI's flag, where given.
        metadata: Whatever else is known: user, conversation, time, feedback, label, reference. Not sent to providers.
    """

    messages: tuple[Message, ...]
    preferred: Message | None = None
    rejected: Message | None = None
    tools: tuple[Mapping[str, Json], ...] = ()
    parallel_tool_calls: bool | None = None
    metadata: Mapping[str, Json] = _NOTHING

    @property
    def prompt(self) -> tuple[Message, ...]:
        """The messages before the answer: what a model is given."""
        return self.messages[:-1] if self.messages and self.messages[-1].role == "assistant" else self.messages

    @property
    def answer(self) -> Message | None:
        """The message to learn: the last assistant message, or the preferred one."""
        if self.preferred is not None:
            return self.preferred
        return self.messages[-1] if self.messages and self.messages[-1].role == "assistant" else None

    @property
    def completion(self) -> str:
        """The text to learn; empty where there is none."""
        answer = self.answer
        return answer.text if answer is not None else ""

    @property
    def label(self) -> str:
        """The class: `metadata["label"]` where given, else the stripped completion."""
        given = self.metadata.get("label")
        return str(given) if given is not None else self.completion.strip()

    @property
    def system(self) -> str | None:
        """Text of the system (or developer) messages at the start, None where there are none."""
        texts = [message.text for message in self.messages if message.role in {"system", "developer"}]
        return "\n".join(texts) if texts else None

    @property
    def user_text(self) -> str:
        """Text of all user turns of the prompt, one below the other."""
        return "\n".join(message.text for message in self.prompt if message.role == "user")

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of what a model would be trained on, metadata left out: 64 hexadecimal digits."""
        return json_sha256(
            {
                "messages": self.messages,
                "preferred": self.preferred,
                "rejected": self.rejected,
                "tools": [dict(tool) for tool in self.tools],
                "parallel_tool_calls": self.parallel_tool_calls,
            }
        )

    @cached_property
    def prompt_hash(self) -> str:
        """SHA-256 of the prompt and tools alone: equal for two answers to the same request."""
        return json_sha256([self.prompt, [dict(tool) for tool in self.tools]])
