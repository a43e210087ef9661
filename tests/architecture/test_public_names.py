"""The public API is a tested object."""

import inspect
import subprocess
import sys

import pytest

import finetuner


def test_the_public_names_are_sorted_and_all_there():
    assert finetuner.__all__ == sorted(finetuner.__all__)
    assert set(finetuner.__all__) == set(finetuner._HOMES)


@pytest.mark.parametrize("name", finetuner.__all__)
def test_each_public_name_is_documented(name):
    value = getattr(finetuner, name)
    assert inspect.getdoc(value)
    methods = inspect.getmembers(value, inspect.isfunction) if inspect.isclass(value) else []
    for method, function in methods:
        if not method.startswith("_") and function.__module__.startswith("finetuner"):
            assert inspect.getdoc(function), f"{name}.{method}"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        finetuner.nonsense  # noqa: B018  # asking for it is the test


@pytest.mark.parametrize("name", finetuner.__all__)
def test_each_public_name_can_be_imported_alone(name):
    subprocess.run([sys.executable, "-c", f"from finetuner import {name}"], check=True, capture_output=True)
