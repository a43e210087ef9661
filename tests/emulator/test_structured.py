import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from finetuner.emulator import structured


def first(choices):
    return choices[0]


SCHEMAS = st.recursive(
    st.sampled_from(
        [
            {"type": "string"},
            {"type": "boolean"},
            {"type": "null"},
            {"type": "number"},
            {"type": "integer", "minimum": 3},
            {"enum": ["a", "b"]},
            {"enum": [1, None, True]},
            {"const": "fixed"},
            {"type": ["string", "null"]},
        ]
    ),
    lambda inner: (
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(
            lambda properties: {
                "type": "object",
                "properties": properties,
                "required": list(properties),
                "additionalProperties": False,
            }
        )
        | inner.map(lambda item: {"type": "array", "items": item, "minItems": 2})
        | inner.map(lambda item: {"anyOf": [item, {"type": "null"}]})
    ),
    max_leaves=6,
)


@given(SCHEMAS)
def test_what_is_filled_in_obeys_the_schema(schema):
    Draft202012Validator(schema).validate(structured.fill(schema, "said", first))


def test_texts_are_the_models_words_and_choices_the_models_choice():
    schema = {"properties": {"text": {"type": "string"}, "choice": {"enum": ["a", "b"]}}}
    assert structured.fill(schema, "said", lambda choices: choices[-1]) == {"text": "said", "choice": "b"}


def test_references_into_the_schema_are_followed():
    schema = {"$ref": "#/$defs/x", "$defs": {"x": {"type": "array", "items": {"type": "string"}, "minItems": 1}}}
    assert structured.fill(schema, "said", first) == ["said"]


def test_a_schema_that_holds_itself_ends():
    node = {"type": "object", "properties": {"next": {"$ref": "#"}}}
    assert "next" in json.dumps(structured.fill(node, "said", first))


@pytest.mark.parametrize(("text", "found"), [('{"a": 1}', {"a": 1}), ("[1]", None), ("no", None), ("", None)])
def test_only_objects_are_objects(text, found):
    assert structured.as_object(text) == found
