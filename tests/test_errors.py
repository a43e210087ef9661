import inspect
import pickle

import pytest

from finetuner import errors

CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.FinetunerError)]
KEYWORDS = {
    errors.MissingExtraError: {"feature": "Plotting", "extra": "plot"},
    errors.BudgetExceededError: {"message": "too dear", "limit_usd": 1.0, "estimated_usd": 2.0},
}


def _instance(cls):
    if cls in KEYWORDS:
        return cls(**KEYWORDS[cls])
    if issubclass(cls, errors.JobError):
        return cls("what happened", job_id="ftjob-1")
    if issubclass(cls, errors.ProviderError):
        return cls("what happened", provider="acme", retryable=True, retry_after=2.0)
    return cls("what happened")


@pytest.mark.parametrize("cls", CLASSES)
def test_every_error_crosses_a_process_with_its_text_and_fields(cls):
    error = _instance(cls)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is cls
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


@pytest.mark.parametrize("cls", [cls for cls in CLASSES if cls is not errors.FinetunerError])
def test_every_error_is_also_a_standard_error(cls):
    assert any(base.__module__ == "builtins" and base not in {Exception, BaseException, object} for base in cls.__mro__)


def test_a_missing_extra_names_the_install_command():
    assert str(_instance(errors.MissingExtraError)) == (
        'Plotting needs the extra "plot": pip install "finetuner-sdk[plot]"'
    )


def test_a_format_error_says_file_line_and_field():
    error = errors.DataFormatError("missing", file="a.jsonl", line=3, field="messages[0].role")
    assert str(error) == "a.jsonl: line 3: messages[0].role: missing"
