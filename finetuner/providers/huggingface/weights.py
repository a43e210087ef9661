"""Models and tokenizers in memory: read from safetensors (or GGUF) alone, never from pickles or a repository's code."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import attrs

from finetuner._core import codec
from finetuner.data.examples import Message
from finetuner.errors import FinetunerError, RequestRejectedError
from finetuner.providers.huggingface import chats, libraries
from finetuner.providers.huggingface.bases import Base
from finetuner.providers.huggingface.mapping import KIND

_LONGEST_KNOWN: Final = 10_000_000  # tokenizers without a limit name a huge number
_LOADING: Final = threading.Lock()


@attrs.frozen
class Tokenizer:
    """A tokenizer with its chat template.

    Attributes:
        native: The library's own.
    """

    native: Any

    def render(self, messages: Sequence[Message], tools: Sequence[Any], answering: bool) -> str:
        """Messages by the chat template. Raises `RequestRejectedError` where the template refuses them."""
        records = [chats.plain(message) for message in messages]
        given = [dict(tool) for tool in tools] or None
        try:
            text = self.native.apply_chat_template(
                records, tools=given, add_generation_prompt=answering, tokenize=False
            )
        except FinetunerError:
            raise
        except Exception as error:  # templates are programs, and raise what they like
            problem = f"are refused by the model's chat template: {type(error).__name__}: {error}"
            raise KIND.rejected("messages", problem) from error
        return str(text)

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Tokens of a text that a template wrote, each with its place."""
        found = self.native(text, add_special_tokens=False, return_offsets_mapping=True)
        return list(found["input_ids"]), [(int(first), int(last)) for first, last in found["offset_mapping"]]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens, without special ones."""
        return str(self.native.decode(list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False))


def load_tokenizer(base: Base) -> Tokenizer:
    """The tokenizer of a base model, fetched already.

    Raises:
        RequestRejectedError: There is none, or it has no chat template.
    """
    assert base.folder is not None  # it was fetched
    native = _read(libraries.transformers().AutoTokenizer, base)
    if not native.chat_template:
        raise RequestRejectedError(
            f"{base.folder} has no chat template; use the instruction-tuned variant of the model, or put a "
            "chat_template.jinja into the folder",
            provider=KIND.name,
            code="no_chat_template",
        )
    if native.pad_token_id is None:
        native.pad_token = native.eos_token
    return Tokenizer(native)


def load_config(base: Base) -> Any:
    """The configuration of a base model, fetched already. Raises `RequestRejectedError`."""
    return _read(libraries.transformers().AutoConfig, base)


def load_model(base: Base, adapter: Path | None = None, *, trainable: bool = False) -> Any:
    """A base model, fetched already, on the GPU where there is one.

    Args:
        base: Its place.
        adapter: The folder of an adapter to put on it.
        trainable: Whether the adapter goes on learning.

    Raises:
        RequestRejectedError: The weights can't be read.
    """
    torch = libraries.torch()
    cuda = torch.cuda.is_available()
    kind = torch.bfloat16 if cuda and torch.cuda.is_bf16_supported() else torch.float32
    with _LOADING:  # the libraries' lazy imports don't bear several threads
        model = _read(libraries.transformers().AutoModelForCausalLM, base, dtype=kind)
        if base.file is not None:
            _forget_quantization(model)
        if adapter is not None:
            model = libraries.peft().PeftModel.from_pretrained(model, str(adapter), is_trainable=trainable)
    return model.to("cuda") if cuda else model


def context_of(model_or_config: Any, tokenizer: Tokenizer) -> int | None:
    """The most tokens of prompt and answer together; None where nothing says so."""
    config = getattr(model_or_config, "config", model_or_config)
    named = (getattr(config, "max_position_embeddings", None), tokenizer.native.model_max_length)
    known = [int(value) for value in named if value and value < _LONGEST_KNOWN]
    return min(known) if known else None


def save_adapter(model: Any, tokenizer: Tokenizer, folder: Path, *, base: str) -> None:
    """Write a PEFT model's adapter, as safetensors, with the tokenizer and its template.

    Args:
        model: The PEFT model.
        tokenizer: The base's.
        folder: Where to.
        base: What the adapter's configuration calls its base model.
    """
    model.save_pretrained(str(folder))
    tokenizer.native.save_pretrained(str(folder))
    path = folder / "adapter_config.json"
    config = codec.decode(path.read_bytes())
    assert isinstance(config, dict)  # PEFT wrote it
    codec.write_atomically(path, codec.encode(config | {"base_model_name_or_path": base}))


def save_merged(model: Any, tokenizer: Tokenizer, folder: Path) -> None:
    """Write a PEFT model with its adapter added to the weights, as safetensors, with the tokenizer and its template."""
    merged = model.merge_and_unload()
    merged.save_pretrained(str(folder))
    tokenizer.native.save_pretrained(str(folder))


def _forget_quantization(model: Any) -> None:
    """Let the library see what the weights of a GGUF file are once they are read: plain numbers.

    It refuses to train them else, and would write into an export's configuration that they are quantized.
    """
    model.is_quantized, model.hf_quantizer = False, None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config


def _read(reader: Any, base: Base, **settings: Any) -> Any:
    if base.file is not None:
        settings["gguf_file"] = base.file
    elif "dtype" in settings:
        settings["use_safetensors"] = True
    try:
        return reader.from_pretrained(str(base.folder), local_files_only=True, trust_remote_code=False, **settings)
    except (OSError, ValueError, KeyError, ImportError) as error:
        first = str(error).strip().partition("\n")[0]
        raise RequestRejectedError(
            f"{base.folder} can't be read as a model: {type(error).__name__}: {first}",
            provider=KIND.name,
            code="invalid_model",
        ) from error
