"""The commands, by phase."""

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Final

import typer

from finetuner import __version__
from finetuner.cli import (
    catalog,
    data,
    demo,
    deployment,
    evaluation,
    jobs,
    output,
    servers,
    shaping,
    synthesis,
    training,
    web,
)

_INTERRUPTED = 130

app = typer.Typer(
    name="finetuner",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
"""The command line."""

_COMMANDS: Final[tuple[Callable[..., None], ...]] = (
    data.extract,
    synthesis.generate_synthetic,
    data.convert,
    data.validate,
    data.analyze,
    data.review,
    data.sample,
    shaping.dedupe,
    shaping.redact,
    shaping.harmonize,
    shaping.rebalance,
    shaping.split,
    training.estimate,
    training.upload,
    training.create,
    training.retarget,
    training.search,
    jobs.status,
    jobs.events,
    jobs.checkpoints,
    jobs.cancel,
    jobs.pause,
    jobs.resume,
    jobs.wait,
    jobs.jobs,
    evaluation.evaluate,
    evaluation.compare,
    evaluation.benchmark,
    deployment.card,
    deployment.checklist,
    catalog.providers,
    catalog.models,
    web.review_app,
    web.dashboard,
    web.serve,
    servers.emulate,
    demo.demo,
)

_GROUPS: Final[tuple[tuple[str, str, tuple[Callable[..., None], ...]], ...]] = (
    ("rollout", "Bring a tuned model to users step by step, and take it back at once.", deployment.ROLLOUT),
    ("monitor", "Watch a rollout: weekly sample, drift, fresh evaluations, retirement dates.", deployment.MONITOR),
)


def _show_version(wanted: bool) -> None:
    if wanted:
        output.result(__version__, __version__, as_json=False)
        raise typer.Exit


@app.callback()
def start(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Fine-tune a language model and live with it in production: data, training, evaluation, deployment.

    Every command takes --debug, which shows the trace of an error.
    """
    del version


def _interruptible(command: Callable[..., None]) -> Callable[..., None]:
    """Typer would report an interrupt as an ordinary error."""

    @wraps(command)
    def run(*args: object, **options: object) -> None:
        try:
            command(*args, **options)
        except KeyboardInterrupt:
            output.advice("interrupted; the same command goes on, and a job that was started goes on by itself")
            raise typer.Exit(_INTERRUPTED) from None

    return run


for _command in _COMMANDS:
    app.command()(_interruptible(_command))

for _name, _help, _members in _GROUPS:
    _group = typer.Typer(name=_name, help=_help, no_args_is_help=True, rich_markup_mode=None)
    for _command in _members:
        _group.command()(_interruptible(_command))
    app.add_typer(_group)
