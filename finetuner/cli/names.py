"""What a name on the command line means."""

from typing import TYPE_CHECKING

from finetuner.errors import UsageError

if TYPE_CHECKING:
    from finetuner.evaluation.judge import Judge
    from finetuner.providers.model import Model
    from finetuner.providers.reference import ModelReference


def model(text: str, workspace: str | None, provider: str | None = None) -> "Model":
    """The model that a name means; a job's id means its tuned model.

    Args:
        text: As typed.
        workspace: Folder or database URL.
        provider: For a name that doesn't say it.

    Raises:
        UsageError: The name doesn't say which provider.
        JobNotReadyError: The job has no model yet.
    """
    from finetuner.providers.model import Model
    from finetuner.providers.reference import ModelReference, provider_of_job
    from finetuner.providers.registry import connect
    from finetuner.training.job import Job

    if text.startswith("ftjob-") or (provider_of_job(text) and "/tuningJobs/" in text):
        return Job.get(text, workspace=workspace).model
    complete = provider is None or text.startswith(f"{provider}:")
    reference = ModelReference.parse(text if complete else f"{provider}:{text}")
    return Model(reference, provider=connect(reference.provider, workspace=workspace))


def shown(reference: "ModelReference") -> str:
    """A model as short as it can be typed: without its provider where the name says it."""
    from finetuner.providers.reference import ModelReference

    try:
        told = ModelReference.parse(reference.model)
    except UsageError:
        return str(reference)
    return reference.model if told == reference else str(reference)


def judge(rubric: str | None, name: str | None, model_name: str | None, workspace: str | None) -> "Judge":
    """The judge that a rubric's file, the rubric's name and a model's name mean.

    Raises:
        UsageError: The file or the model isn't given.
    """
    from finetuner.evaluation.judge import Judge
    from finetuner.evaluation.rubric import Rubric

    if rubric is None or model_name is None:
        raise UsageError("--llm-judge needs --rubric FILE and --judge-model MODEL")
    return Judge(model(model_name, workspace), Rubric.load(rubric, name))
