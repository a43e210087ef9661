"""What is taken out is read again by the libraries that other servers use, and answers the same."""

import json

import pytest

from finetuner.data.examples import user
from finetuner.errors import NotFoundError, UsageError
from finetuner.providers.huggingface import export_adapter, export_merged
from finetuner.providers.ports import CompletionOptions

ASK = (user("help me with my card"),)
SHORT = CompletionOptions(max_tokens=8)

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # among libraries


def test_a_merged_model_answers_like_the_tuned_one(bench, tuned, tmp_path):
    """As any folder of weights: safetensors, configuration, tokenizer and chat template, no pickle."""
    folder = export_merged(f"huggingface:{tuned}", tmp_path / "merged", workspace=bench.folder)
    expected = bench.provider.completer.complete(tuned, ASK, SHORT).text
    assert bench.provider.completer.complete(str(folder), ASK, SHORT).text == expected
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja", "Modelfile"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pth"))]


def test_transformers_alone_reads_a_merged_model(bench, tuned, tmp_path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = export_merged(f"huggingface:{tuned}", tmp_path / "merged", workspace=bench.folder)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    chat = [{"role": "user", "content": ASK[0].text}]
    given = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    answer = model.generate(**given, max_new_tokens=8, do_sample=False)[0][given["input_ids"].shape[1] :]
    text = tokenizer.decode(answer, skip_special_tokens=True)
    assert text == bench.provider.completer.complete(tuned, ASK, SHORT).text


def test_an_adapter_names_its_base(bench, tuned, tmp_path):
    """So that vLLM and PEFT find it."""
    folder = export_adapter(f"huggingface:{tuned}", tmp_path / "adapter", workspace=bench.folder)
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == bench.model
    assert (folder / "adapter_model.safetensors").stat().st_size > 0


def test_nothing_is_overwritten(bench, tuned, tmp_path):
    (tmp_path / "merged").mkdir()
    (tmp_path / "merged" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="isn't an empty folder"):
        export_merged(f"huggingface:{tuned}", tmp_path / "merged", workspace=bench.folder)


def test_only_tuned_models_of_this_machine_can_be_exported(tmp_path):
    with pytest.raises(UsageError, match="no weights here"):
        export_merged("openai:gpt-4.1", tmp_path / "out", workspace=tmp_path)
    with pytest.raises(NotFoundError):
        export_merged("huggingface:ft:a:huggingface::0123456789ab", tmp_path / "out", workspace=tmp_path)
