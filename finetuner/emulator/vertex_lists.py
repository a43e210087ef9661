"""Lists of Vertex AI: filtered, and page by page."""

import re
from collections.abc import Sequence
from typing import Final

from starlette.responses import Response

from finetuner._core.types import JsonObject
from finetuner.emulator.routing import Call, answer
from finetuner.emulator.vertex_requests import bad

_MOST: Final = 100
_FILTER: Final = re.compile(r'labels\.([\w-]+)\s*[=:]\s*"?([\w*-]*)"?|state\s*=\s*"?(\w+)"?')
_AND: Final = re.compile(r"\s+AND\s+")


def page(call: Call, field: str, items: Sequence[JsonObject]) -> Response:
    """The page that a call asks for, of the items that its filter wants. Raises `RefusedError`."""
    wanted = _conditions(call.query.get("filter", ""))
    found = [item for item in items if _fits(item, wanted)]
    size, token = call.query.get("pageSize") or "0", call.query.get("pageToken") or "0"
    if not size.isdigit() or not token.isdigit():
        raise bad(f"Invalid page size or token: {size}, {token}")
    limit, start = min(int(size) or _MOST, _MOST), int(token)
    shown: JsonObject = {field: found[start : start + limit]}
    if start + limit < len(found):
        shown["nextPageToken"] = str(start + limit)
    return answer(shown)


def _conditions(text: str) -> list[re.Match[str]]:
    """The conditions of a filter (AIP-160, as far as jobs have fields for it)."""
    found: list[re.Match[str]] = []
    for term in _AND.split(text.strip()) if text.strip() else ():
        condition = _FILTER.fullmatch(term)
        if condition is None:
            raise bad(f"Invalid filter: {term}")
        found.append(condition)
    return found


def _fits(raw: JsonObject, wanted: list[re.Match[str]]) -> bool:
    labels: JsonObject = raw.get("labels") or {}
    return all(
        raw["state"] == term[3] if term[3] else labels.get(term[1]) == term[2] or (term[2] == "*" and term[1] in labels)
        for term in wanted
    )
