"""Every YAML reader gets back what was written."""

import yaml
from hypothesis import given
from hypothesis import strategies as st

from finetuner.deployment.front_matter import front_matter

SCALARS = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(
    SCALARS | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


def read(text: str) -> object:
    return yaml.safe_load(text.removeprefix("---\n").removesuffix("---\n"))


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=30), min_size=1))
def test_any_text_survives(fields: dict[str, str]) -> None:
    assert read(front_matter(fields)) == fields


@given(st.dictionaries(st.from_regex(r"[a-z]{3,8}", fullmatch=True), VALUES, min_size=1))
def test_lists_and_mappings_survive_in_any_depth(fields: dict[str, object]) -> None:
    kept = {name: value for name, value in fields.items() if value not in (None, "", [], {})}
    assert (read(front_matter(fields)) or {}) == kept


def test_words_that_yaml_takes_for_something_else_are_quoted() -> None:
    words = ["yes", "No", "on", "null", "~", "1e3", "0x1f", "2026-11-24", "- a", "a: b", "#a", "y", "True", "1:30"]
    assert read(front_matter({"words": words})) == {"words": words}
