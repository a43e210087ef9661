"""A random model of a few thousand weights, with a tokenizer that is trained here: real libraries, no hub."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from finetuner._core.hashing import file_sha256
from finetuner.providers.catalog import Limits
from finetuner.providers.detached.records import JobRecord, JobState
from finetuner.providers.detached.store import JobFolder, Store
from finetuner.providers.huggingface import connect
from finetuner.providers.huggingface.mapping import KIND
from finetuner.providers.ports import SUCCEEDED, Checkpoint, JobRequest, JobSnapshot, Provider

LABELS = ("refund", "card", "login")
PATIENCE = 240.0
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def lines(n: int) -> list[dict]:
    return [
        {
            "messages": [
                {"role": "user", "content": f"request {number}: help me with my {LABELS[number % 3]}"},
                {"role": "assistant", "content": LABELS[number % 3]},
            ]
        }
        for number in range(n)
    ]


def pairs(n: int) -> list[dict]:
    return [
        {
            "input": {"messages": [{"role": "user", "content": f"request {k}: help me with my {LABELS[k % 3]}"}]},
            "preferred_output": [{"role": "assistant", "content": LABELS[k % 3]}],
            "non_preferred_output": [{"role": "assistant", "content": LABELS[(k + 1) % 3]}],
        }
        for k in range(n)
    ]


def until(condition: Callable[[], object], what: str) -> None:
    """Real processes take real time: look often, give up late."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE} s for {what}"
        time.sleep(0.05)


def write_tiny(folder: Path) -> Path:
    """A Llama-shaped model with random weights."""
    for name in ("torch", "transformers", "peft", "trl"):
        pytest.importorskip(name, reason="the extra huggingface isn't installed")
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    special = ["<|im_start|>", "<|im_end|>", "<|pad|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator([message["content"] for line in lines(60) for message in line["messages"]], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|im_end|>", pad_token="<|pad|>")
    tokenizer.chat_template = TEMPLATE
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        pad_token_id=tokenizer.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@attrs.frozen
class Bench:
    """A workspace with its provider of open weights, and a tiny model."""

    folder: Path
    provider: Provider
    model: str

    lines = staticmethod(lines)
    pairs = staticmethod(pairs)
    until = staticmethod(until)

    @property
    def store(self) -> Store:
        return Store(KIND, self.folder / "huggingface")

    def upload(self, records: list[dict]) -> str:
        path = self.folder / "upload.jsonl"
        path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
        return self.provider.files.upload(path, name="upload.jsonl", sha256=file_sha256(path)).id

    def request(self, **changes) -> JobRequest:
        settings = {
            "model": self.model,
            "training_file": changes.pop("training_file", None) or self.upload(lines(30)),
            "hyperparameters": {"epochs": 2, "learning_rate": 0.01},
            "seed": 7,
        }
        return JobRequest(**(settings | changes))

    def job(self, job_id: str) -> JobFolder:
        return self.store.job(job_id)

    def finished(self, job_id: str) -> JobSnapshot:
        until(lambda: self.provider.trainer.get(job_id).ended, f"the end of {job_id}")
        return self.provider.trainer.get(job_id)

    def run(self, **changes) -> JobSnapshot:
        return self.finished(self.provider.trainer.create(self.request(**changes)).id)


def make_tuned(bench: Bench) -> str:
    """A tuned model as a job leaves it, with an adapter of random weights: nothing was trained. Its name."""
    import torch
    from peft import LoraConfig, get_peft_model

    from finetuner.providers.huggingface import bases, weights

    base = bases.find(bench.model)
    folder = bench.store.place(KIND.job_id("made"))
    record = JobRecord(
        id=folder.id,
        created_at=1.0,
        request=JobRequest(model=bench.model, training_file="file-huggingface-1", suffix="made", key="made"),
        seed=0,
        size=base.to_json(),
        limits=Limits(),
    )
    folder.write_record(record)
    torch.manual_seed(1)
    lora = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    get_peft_model(weights.load_model(base), lora).save_pretrained(folder.checkpoint(3))
    model = KIND.tuned_model(record, 3)
    folder.add_checkpoint(Checkpoint(id=KIND.checkpoint_id(folder.id, 3), model=model, step=3, epoch=1))
    folder.write_state(JobState(status=SUCCEEDED, updated_at=2.0, finished_at=2.0))
    return KIND.tuned_model(record)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("weights") / "tiny")


@pytest.fixture
def tuned(bench: Bench) -> str:
    return make_tuned(bench)


@pytest.fixture
def bench(tmp_path: Path, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return Bench(tmp_path, connect(workspace=tmp_path), str(tiny))
