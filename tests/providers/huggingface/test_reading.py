import json

import pytest

from finetuner.errors import DataFormatError
from finetuner.providers.huggingface.reading import read


def test_both_formats_are_read(tmp_path):
    supervised = {"messages": [{"role": "user", "content": "money"}, {"role": "assistant", "content": "refund"}]}
    pair = {
        "input": {"messages": supervised["messages"][:1]},
        "preferred_output": [{"role": "assistant", "content": "refund"}],
        "non_preferred_output": [{"role": "assistant", "content": "card"}],
    }
    path = tmp_path / "a.jsonl"
    path.write_text("\n\n".join(json.dumps(line) for line in (supervised, pair)))
    examples = read(path, "a.jsonl")
    assert [example.completion for example in examples] == ["refund", "refund"]
    assert [example.rejected is not None for example in examples] == [False, True]


@pytest.mark.parametrize(
    ("line", "said"), [("{", "isn't JSON"), ("[]", "JSON object"), ('{"messages": 1}', "messages")]
)
def test_an_error_names_file_and_line(tmp_path, line, said):
    path = tmp_path / "a.jsonl"
    path.write_text('{"messages": []}\n' + line)
    with pytest.raises(DataFormatError, match=said) as error:
        read(path, "train.jsonl")
    assert (error.value.file, error.value.line) == ("train.jsonl", 2)
