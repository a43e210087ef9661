"""YAML front matter as model hubs read it, written without a YAML library.

Only what every YAML reader understands alike is written: block mappings and sequences, plain words where they can't be
taken for anything else, and JSON's double quotes around everything else (YAML 1.2 contains JSON).
"""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

from finetuner._core.types import Json

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_WORDS_WITH_MEANING = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})
_NOT_PRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")


def front_matter(fields: Mapping[str, Json]) -> str:
    """Fields between two lines of `---`; those that are None or empty are left out.

    Args:
        fields: Text, numbers, flags, and lists or mappings of them.
    """
    kept = {name: value for name, value in fields.items() if value not in (None, "", [], (), {})}
    return "\n".join(["---", *_mapping(kept, ""), "---", ""])


def _mapping(fields: Mapping[str, Json], indent: str) -> Iterator[str]:
    for name, value in fields.items():
        yield from _entry(f"{indent}{_scalar(name)}:", value, indent)


def _entry(head: str, value: Json, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield head
        yield from _mapping(cast("Mapping[str, Json]", value), f"{indent}  ")
    elif isinstance(value, list | tuple) and value:
        yield head
        yield from _sequence(cast("Sequence[Json]", value), indent)
    else:
        yield f"{head} {_scalar(value)}"


def _sequence(values: Sequence[Json], indent: str) -> Iterator[str]:
    for value in values:
        if isinstance(value, Mapping) and value:
            first, *others = _mapping(cast("Mapping[str, Json]", value), f"{indent}  ")
            yield f"{indent}- {first.removeprefix(f'{indent}  ')}"
            yield from others
        else:
            yield f"{indent}- {_scalar(value)}"


def _scalar(value: Json) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.casefold() not in _WORDS_WITH_MEANING:
        return value
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_scalar, cast('Sequence[Json]', value)))}]"
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, Json]", value).items()
        return f"{{{', '.join(f'{_scalar(name)}: {_scalar(item)}' for name, item in pairs)}}}"
    text = json.dumps(value, ensure_ascii=False)
    return _NOT_PRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _number(value: float) -> str:
    """YAML 1.1 takes a number for a text unless its mantissa has a point."""
    if not math.isfinite(value):
        return ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    mantissa, mark, exponent = repr(value).partition("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}{mark}{exponent}"
