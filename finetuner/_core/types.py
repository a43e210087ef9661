"""Type aliases of the whole package."""

from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A JSON value: None, bool, int, float, str, or lists and dicts (with string keys) of them."""

JsonObject: TypeAlias = dict[str, Any]
"""A JSON object."""
