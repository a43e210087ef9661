import pytest

from finetuner.data.examples import Example, Message, ToolCall, assistant, user
from finetuner.providers.huggingface import libraries
from finetuner.providers.huggingface.advisor import HuggingFaceAdvisor

MANY = tuple(Example(messages=(user(f"q{n}"), assistant("a"))) for n in range(60))


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    monkeypatch.setattr(libraries, "MODULES", ("json",))


@pytest.fixture
def folder(tmp_path):
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).write_bytes(b"{}")
    return str(tmp_path)


def codes(model, examples=MANY, method="supervised"):
    return {finding.code: finding.severity for finding in HuggingFaceAdvisor().advise(model, examples, method)}


def test_nothing_to_say(folder):
    assert codes(folder) == {}


def test_missing_packages_stop_a_job(folder, monkeypatch):
    """Before anything is uploaded, with the command that installs them."""
    monkeypatch.setattr(libraries, "MODULES", ("a_module_that_nobody_has",))
    (finding,) = HuggingFaceAdvisor().advise(folder, MANY, "supervised")
    assert (finding.severity, finding.code) == ("error", "missing_extra")
    assert "pip install" in finding.fix


def test_weights_that_cannot_be_used_stop_a_job(tmp_path):
    assert codes("/nowhere") == {"model_not_found": "error"}
    assert codes(str(tmp_path)) == {"invalid_model": "error"}


def test_the_hub_is_said(monkeypatch):
    monkeypatch.delenv("FINETUNER_HUGGINGFACE_MODELS", raising=False)
    assert codes("acme/llama") == {"fetched_from_hub": "warning"}


def test_little_data_is_said(folder):
    assert codes(folder, MANY[:10]) == {"little_data": "warning"}


def test_pairs_with_tools_stop_a_job(folder):
    call = Message(role="assistant", tool_calls=(ToolCall(id="1", name="look", arguments="{}"),))
    tools = tuple(Example(messages=(user("q"), call), preferred=assistant("a"), rejected=assistant("b")) for _ in MANY)
    assert codes(folder, tools, "dpo") == {"tools_in_pairs": "error"}
