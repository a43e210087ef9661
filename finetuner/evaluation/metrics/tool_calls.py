"""Tool calls: the same functions, called with the same arguments."""

from collections import Counter

import attrs

from finetuner._core import codec
from finetuner._core.types import Json, JsonObject
from finetuner.data.examples import ToolCall
from finetuner.data.shapes import is_list, is_object
from finetuner.evaluation.metrics.grading import Case, Grade, MeanMetric
from finetuner.evaluation.metrics.json_validity import is_json


def _named(metric: "ToolCalls") -> str:
    return "tool_calls" if metric.arguments else "tool_names"


@attrs.frozen
class ToolCalls(MeanMetric):
    """Share of answers that make the expected calls; their order and the spacing of arguments don't count.

    Attributes:
        arguments: Whether arguments must be the same too, or the names of the functions alone.
        name: `tool_calls`, or `tool_names`.
    """

    arguments: bool = True
    name: str = attrs.field(init=False, default=attrs.Factory(_named, takes_self=True))

    def grade(self, case: Case) -> Grade:
        """1 for the same calls, else 0; calls where none are expected are wrong."""
        message = case.example.answer
        wanted = self._counted(described(message.tool_calls if message is not None else ()))
        given = self._counted(_read(case.answer))
        parsed = codec.canonical([[name, arguments] for name, arguments in sorted(given.elements())]).decode()
        return Grade(expected=case.expected, value=float(given == wanted), parsed=parsed if given else None)

    def _counted(self, calls: list[JsonObject]) -> "Counter[tuple[str, str]]":
        return Counter(
            (str(call.get("name")), codec.canonical(call.get("arguments")).decode() if self.arguments else "")
            for call in calls
        )


def described(calls: tuple[ToolCall, ...]) -> list[JsonObject]:
    """Calls as plain values; arguments that are JSON as what they say."""
    return [{"name": call.name, "arguments": _arguments(call.arguments)} for call in calls]


def _arguments(text: str) -> Json:
    return codec.decode(text) if is_json(text) else text


def _read(answer: str) -> list[JsonObject]:
    """The calls in an answer's text, as `finetuner.evaluation.scoring.said` writes them."""
    value: Json = codec.decode(answer.encode()) if is_json(answer) else None
    calls: Json = value.get("tool_calls") if is_object(value) else None
    return [call for call in calls if is_object(call)] if is_list(calls) else []
