"""Training an adapter with TRL: supervised or by preference, one checkpoint and one validation for each epoch."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import attrs

from finetuner._core.types import JsonObject
from finetuner.errors import UsageError
from finetuner.providers.huggingface import libraries
from finetuner.providers.huggingface.mapping import Hyperparameters, exhausted

PROCESSES: Final = "FINETUNER_HUGGINGFACE_PROCESSES"
"""The variable that says how many processes train."""

_NOTHING: Final[Mapping[str, Any]] = {}
_ACCURACIES: Final = ("mean_token_accuracy", "rewards/accuracies")


@attrs.frozen(kw_only=True)
class Plan:
    """What is trained, and how.

    Attributes:
        method: `supervised` or `dpo`.
        chosen: Hyperparameters with every choice made.
        seed: Of the adapter's first weights, dropout, and order of examples.
        folder: Where the library may write; checkpoints appear in it.
        resume: The folder of a checkpoint to go on from, or None.
        losses: Validation losses of the epochs before it.
    """

    method: str
    chosen: Hyperparameters
    seed: int
    folder: Path
    resume: Path | None = None
    losses: tuple[float, ...] = ()


class Listener(Protocol):
    """Hears how training goes, in each process that trains; what `step` raises in one ends the training in all."""

    def step(self, step: int, total: int) -> None:
        """A step of the optimizer is done."""
        ...

    def loss(self, step: int, total: int, metrics: Mapping[str, float]) -> None:
        """The loss of a step is known."""
        ...

    def epoch(self, epoch: int, step: int, folder: Path, metrics: Mapping[str, float]) -> None:
        """An epoch is done, and its checkpoint lies in a folder, which the listener may move."""
        ...


def train(
    model: Any,
    tokenizer: Any,
    plan: Plan,
    training: Sequence[JsonObject],
    validation: Sequence[JsonObject] | None,
    listener: Listener,
) -> None:
    """Train to the last epoch, or until validation stops to improve.

    Args:
        model: A base model, or one with an adapter that goes on learning.
        tokenizer: Its tokenizer.
        plan: See `Plan`.
        training: Rows with `input_ids` and `labels`; by preference `prompt`, `chosen` and `rejected` messages.
        validation: Likewise.
        listener: Hears steps and epochs.
    """
    libraries.transformers().set_seed(plan.seed)
    trl, table = libraries.trl(), libraries.datasets().Dataset.from_list
    maker, settings = (
        (trl.DPOTrainer, trl.DPOConfig(**_settings(plan, validation is not None), beta=plan.chosen.beta))
        if plan.method == "dpo"
        else (trl.SFTTrainer, trl.SFTConfig(**_settings(plan, validation is not None)))
    )
    adapted = hasattr(model, "peft_config")
    trainer = maker(
        model=model,
        args=settings,
        train_dataset=table(list(training)),
        eval_dataset=table(list(validation)) if validation is not None else None,
        processing_class=tokenizer,
        peft_config=None if adapted else _lora(plan.chosen),
        callbacks=[_callback(_Ear(plan, listener))],
    )
    trainer.train(resume_from_checkpoint=str(plan.resume) if plan.resume else None)
    _any_of_us(False)  # nobody tidies up while another still writes


def _settings(plan: Plan, validated: bool) -> dict[str, Any]:
    torch, chosen = libraries.torch(), plan.chosen
    cuda = bool(torch.cuda.is_available())
    batch, share = chosen.batch_size or 1, int(os.environ.get("WORLD_SIZE", "1"))
    micro = min(chosen.micro_batch_size or 1, max(1, batch // share))
    return {
        "output_dir": str(plan.folder),
        "num_train_epochs": chosen.epochs,
        "per_device_train_batch_size": micro,
        "per_device_eval_batch_size": micro,
        "gradient_accumulation_steps": -(-batch // (micro * share)),
        "learning_rate": chosen.learning_rate,
        "max_length": None if plan.method == "supervised" else chosen.max_length,
        "eval_strategy": "epoch" if validated else "no",
        "save_strategy": "epoch",
        "logging_steps": 1,
        "report_to": [],
        "disable_tqdm": True,
        "seed": plan.seed,
        "data_seed": plan.seed,
        "use_cpu": not cuda,
        "bf16": cuda and bool(torch.cuda.is_bf16_supported()),
        "fp16": False,
        "gradient_checkpointing": cuda,
        "dataloader_pin_memory": cuda,
        "ddp_backend": "gloo" if share > 1 and not cuda else None,
        "ddp_find_unused_parameters": False if share > 1 else None,
    }


def _lora(chosen: Hyperparameters) -> Any:
    return libraries.peft().LoraConfig(
        r=chosen.lora_rank,
        lora_alpha=chosen.lora_alpha,
        lora_dropout=chosen.lora_dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )


class LeftError(Exception):
    """Another process of the same training was told to stop."""


def rank() -> int | None:
    """Which process of a training this is, from 0; None where it is the only one."""
    number = os.environ.get("RANK")
    return None if number is None else int(number)


def workers() -> int:
    """How many processes a training takes: `$FINETUNER_HUGGINGFACE_PROCESSES`, else one for each GPU.

    Raises:
        UsageError: The variable isn't a number from 1.
    """
    given = os.environ.get(PROCESSES)
    if given is not None and (not given.isdecimal() or int(given) < 1):
        raise UsageError(f"${PROCESSES} is {given!r}; it must be a number from 1")
    return int(given) if given else max(1, int(libraries.torch().cuda.device_count()))


def launch_command(module: str, arguments: Sequence[str], count: int) -> tuple[str, ...]:
    """What starts a module in so many processes of this machine; in each, accelerate finds the others."""
    launch = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count))
    return (*launch, "-m", module, *arguments)


def _any_of_us(mine: bool) -> bool:
    """Whether a flag is set in any process of this training; all wait for each other here."""
    torch = libraries.torch()
    if rank() is None or not torch.distributed.is_initialized():
        return mine
    device = "cuda" if torch.cuda.is_available() else "cpu"
    flag = torch.tensor([int(mine)], device=device)
    torch.distributed.all_reduce(flag, op=torch.distributed.ReduceOp.MAX)
    return bool(flag.item())


class _Ear:
    """Hears the library's events, and tells them as steps and epochs."""

    def __init__(self, plan: Plan, listener: Listener) -> None:
        self._plan = plan
        self._listener = listener
        self._losses = list(plan.losses)
        self._train: list[float] = []
        self._valid: dict[str, float] = {}

    def on_step_end(self, event: "_Event") -> None:
        """A step: also where no loss is logged, for a wish to be seen in time."""
        stop: Exception | None = None
        try:
            self._listener.step(int(event.state.global_step), int(event.state.max_steps))
        except Exception as error:  # noqa: BLE001  # whatever it is, no process may be left waiting for this one
            stop = error
        if _any_of_us(stop is not None):
            raise stop or LeftError

    def on_log(self, event: "_Event") -> None:
        """The loss of a step."""
        found: Mapping[str, Any] = event.given.get("logs") or _NOTHING
        if "loss" not in found:
            return
        self._train.append(float(found["loss"]))
        metrics = {"train_loss": float(found["loss"])} | _accuracy(found, "", "train_accuracy")
        self._listener.loss(int(event.state.global_step), int(event.state.max_steps), metrics)

    def on_evaluate(self, event: "_Event") -> None:
        """The validation at an epoch's end; training stops here where it has stopped to help."""
        found: Mapping[str, Any] = event.given.get("metrics") or _NOTHING
        self._valid = {"valid_loss": float(found["eval_loss"])} | _accuracy(found, "eval_", "valid_accuracy")
        self._losses.append(self._valid["valid_loss"])
        if exhausted(self._losses, self._plan.chosen.early_stopping_patience):
            event.control.should_training_stop = True

    def on_save(self, event: "_Event") -> None:
        """An epoch's end, once its checkpoint is written."""
        step = int(event.state.global_step)
        metrics: dict[str, float] = {"total_steps": int(event.state.max_steps), **self._valid}
        if self._train:
            metrics["train_loss"] = sum(self._train) / len(self._train)
        self._train, self._valid = [], {}
        folder = self._plan.folder / f"checkpoint-{step}"
        _any_of_us(False)  # each process has written its part of the checkpoint
        self._listener.epoch(round(event.state.epoch), step, folder, metrics)


@attrs.frozen
class _Event:
    """What the library passes to a callback."""

    state: Any
    control: Any
    given: Mapping[str, Any]


def _callback(ear: _Ear) -> Any:
    """The library's kind of callback, made from an ear: a base class that isn't installed can't be named."""
    heard = (ear.on_step_end, ear.on_log, ear.on_evaluate, ear.on_save)
    methods = {hear.__name__: _method(hear) for hear in heard}
    return type("Callback", (libraries.transformers().TrainerCallback,), methods)()


def _method(hear: Callable[[_Event], None]) -> Any:
    def called(_self: Any, _args: Any, state: Any, control: Any, **given: Any) -> None:
        hear(_Event(state, control, given))

    return called


def _accuracy(found: Mapping[str, Any], prefix: str, name: str) -> dict[str, float]:
    known = [float(found[f"{prefix}{key}"]) for key in _ACCURACIES if f"{prefix}{key}" in found]
    return {name: known[0]} if known else {}
