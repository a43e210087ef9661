"""Options and arguments that several commands share."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="The same result as JSON.")]
Place = Annotated[
    str | None,
    typer.Option("--workspace", help="Folder or database URL; FINETUNER_WORKSPACE or .finetuner by default."),
]
File = Annotated[str, typer.Argument(help="File, folder, pattern, or - for standard input.")]
Format = Annotated[str, typer.Option("--format", help="The format it is in; told from its content by default.")]
Seed = Annotated[int, typer.Option(help="Another seed, another choice.")]
Written = Annotated[str | None, typer.Option("--output", help="Where to write.")]
