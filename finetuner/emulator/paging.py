"""Pages of lists."""

from collections.abc import Sequence
from typing import Final

from starlette.responses import Response

from finetuner._core.types import JsonObject
from finetuner.emulator import openai_wire
from finetuner.emulator.routing import Call, answer

_MOST: Final = 100


def page(call: Call, items: Sequence[JsonObject], *, default: int = 20, most: int = _MOST) -> Response:
    """The page that a call asks for, as OpenAI cuts lists: `limit` items from behind the one with the id `after`."""
    limit = call.number("limit", default, most)
    return answer(openai_wire.page(items, call.query.get("after"), limit))
