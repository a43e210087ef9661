"""Commands of the fourth phase: deployment, and life after it."""

import getpass
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from finetuner.cli import names, output
from finetuner.cli.options import AsJson, Format, Place

if TYPE_CHECKING:
    from finetuner.deployment.controller import Look
    from finetuner.deployment.monitor import Monitor
    from finetuner.deployment.rollout import Rollout
    from finetuner.deployment.state import RolloutState
    from finetuner.providers.model import Model

Named = Annotated[str, typer.Argument(help="The rollout's name.")]
Approver = Annotated[str | None, typer.Option(help="Who answers for it; you by default.")]
JobName = Annotated[str | None, typer.Option("--job", help="Id of a job; the newest by default.")]


def start(
    name: Named,
    *,
    base: Annotated[str, typer.Option(help="Today's model.")],
    tuned: Annotated[str, typer.Option(help="The candidate: a model, or the id of its job.")],
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Begin a rollout, with all traffic on base."""
    from finetuner.deployment.rollout import Rollout

    models = [names.model(typed, workspace) for typed in (base, tuned)]
    begun = Rollout.create(name, base=models[0], tuned=models[1], store=workspace)
    for model in models:
        if not _known(model, begun):
            output.advice(
                f"warning: neither the catalog of {model.reference.provider} nor this journal knows {model}: "
                "a typo shows only when requests come"
            )
    output.advice(f"serve with Router(Rollout.get({name!r})), then: fine-tuner-cc rollout shadow {name} --rate 0.2")
    _show(begun.state, as_json=as_json)


def status(
    name: Annotated[str | None, typer.Argument(help="The rollout's name; all of them by default.")] = None,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Show where a rollout is, or all of them."""
    from finetuner.deployment.rollout import Rollout
    from finetuner.deployment.text import state_text
    from finetuner.records.journal import Journal
    from finetuner.records.rollouts import RolloutRecords

    if name is not None:
        _show(_rollout(name, workspace).state, as_json=as_json)
        return
    journal = Journal.open(workspace)
    states = [Rollout.get(known, store=journal).state for known in RolloutRecords(journal).names()]
    text = "\n".join(state_text(state).splitlines()[0] for state in states) or "no rollouts yet"
    output.result(text, states, as_json=as_json)


def shadow(
    name: Named,
    rate: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of base's requests.")] = 0.1,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Let the tuned model answer a share of base's requests unseen."""
    _show(_rollout(name, workspace).shadow(rate), as_json=as_json)


def ramp(
    name: Named,
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Of units, above 0 and below 1.")],
    approver: Approver = None,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Give a share of units the tuned model."""
    _show(_rollout(name, workspace).ramp(share, approver=approver), as_json=as_json)


def promote(name: Named, approver: Approver = None, workspace: Place = None, as_json: AsJson = False) -> None:
    """Give every unit the tuned model."""
    _show(_rollout(name, workspace).promote(approver=approver), as_json=as_json)


def rollback(
    name: Named,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit.")] = "by hand",
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Give every unit base, at once."""
    _show(_rollout(name, workspace).rollback(reason), as_json=as_json)


def report(name: Named, workspace: Place = None, as_json: AsJson = False) -> None:
    """Show what was served, arm by arm, with intervals that stay valid at every look."""
    from finetuner.deployment.text import report_text

    found = _rollout(name, workspace).report()
    output.result(report_text(found), found, as_json=as_json)


def decide(name: Named, workspace: Place = None, as_json: AsJson = False) -> None:
    """Tell what to do now and why; exit status 1 unless it is to promote. Changes no traffic."""
    decision = _rollout(name, workspace).decide()
    output.result(str(decision), decision, as_json=as_json)
    if decision.action != "PROMOTE":
        raise typer.Exit(1)


def watch(
    name: Named,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between looks.")] = 10.0,
    raise_share: Annotated[
        bool, typer.Option("--raise", help="Go on to the next stage where every gate is passed.")
    ] = False,
    webhook: Annotated[
        list[str] | None, typer.Option(help="Is told by a POST; signed with FINETUNER_WEBHOOK_SECRET.")
    ] = None,
    notify: Annotated[list[str] | None, typer.Option(help="Any address that Apprise knows.")] = None,
    once: Annotated[bool, typer.Option("--once", help="Look once, such as from cron.")] = False,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Watch a rollout and take a bad model away by itself; exit status 1 when it was."""
    from finetuner.deployment.controller import Controller
    from finetuner.deployment.notify import Apprise, Notifier, Webhook

    secret = os.environ.get("FINETUNER_WEBHOOK_SECRET")
    notifiers: list[Notifier] = [Webhook(url, secret) for url in webhook or ()]
    notifiers += [Apprise(tuple(notify))] if notify else []
    controller = Controller(_rollout(name, workspace), interval=interval, raise_share=raise_share, notifiers=notifiers)
    rolled_back = False
    for look in [controller.look()] if once else controller.run():
        output.result(_look(look), look, as_json=as_json)
        for trouble in look.undelivered:
            output.advice(f"not delivered: {trouble}")
        rolled_back = look.acted and look.state is not None and look.state.status == "rolled-back"
    if rolled_back:
        raise typer.Exit(1)


def sample(
    name: Named,
    n: Annotated[int, typer.Option("--n", min=1, help="How many.")] = 100,
    week: Annotated[str | None, typer.Option(help="A day of the week, YYYY-MM-DD; this week by default.")] = None,
    file: Annotated[Path, typer.Option("--output", help="Where to write.")] = Path("weekly_sample.jsonl"),
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Draw the answers of a week that people look at: random and uncertain ones mixed, always the same."""
    from finetuner._core import codec
    from finetuner.deployment.monitor import day

    found = _monitor(name, workspace).weekly_sample(n, week=None if week is None else day(week))
    lines = [codec.to_json(request) for request in found.requests]
    codec.write_atomically(file, "".join(f"{line}\n" for line in lines).encode())
    uncertain = sum(request.why != "random" for request in found.requests)
    if textless := sum(request.answer is None for request in found.requests):
        output.advice(
            f"{textless:,} of them without a text, which the router doesn't keep by default: find them in your logs by "
            'request_id, or give Router(…, options=RouterOptions(texts="all"))'
        )
    shown = f"{file} ({len(lines)} of {found.served:,} answers of {found.week}, {uncertain} of them uncertain)"
    output.result(shown, found, as_json=as_json)


def drift(
    name: Named,
    reference: Annotated[str | None, typer.Option(help="Data that the model was made from; else its past.")] = None,
    recent: Annotated[str | None, typer.Option(help="What is asked now, such as a folder of logs.")] = None,
    days: Annotated[int, typer.Option(min=1, help="How far back now reaches.")] = 7,
    format: Format = "auto",
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Tell whether traffic still looks like the reference; exit status 1 when it drifted."""
    from finetuner.data.dataset import Dataset

    found = _monitor(name, workspace).drift(
        None if reference is None else Dataset.load(reference, format=format),
        recent=None if recent is None else Dataset.from_logs(recent) if Path(recent).is_dir() else Dataset.load(recent),
        days=days,
    )
    output.result(str(found), {"state": found.state, "features": found.features}, as_json=as_json)
    if found.state == "drift":
        raise typer.Exit(1)


def evaluate(
    name: Named,
    file: Annotated[str, typer.Argument(help="Fresh requests with their right answers.")],
    *,
    training: Annotated[
        str | None, typer.Option("--training", help="Data that the model was made from, for labels that are new.")
    ] = None,
    max_usd: Annotated[float | None, typer.Option("--max-usd", min=0.0, help="USD that both may cost.")] = None,
    format: Format = "auto",
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate both models on fresh rows, and tell what changed; exit status 1 when quality fell."""
    from finetuner.data.dataset import Dataset

    fresh = Dataset.load(file, format=format)
    known = () if training is None else Dataset.load(training, format=format)
    labels = {example.label for example in known}
    found = _monitor(name, workspace).reevaluate(fresh, known_labels=labels, max_usd=max_usd)
    output.result(str(found), {**output.plain(found), "fell": found.fell}, as_json=as_json)
    if found.fell:
        raise typer.Exit(1)


def recommend(name: Named, workspace: Place = None, as_json: AsJson = False) -> None:
    """Tell whether to train again: yes, no, or not enough data, with the evidence; exit status 1 for a yes."""
    found = _monitor(name, workspace).recommendation()
    value = {"answer": found.answer, "reasons": found.reasons, "signals": found.signals}
    output.result(str(found), value, as_json=as_json)
    if found.answer == "yes":
        raise typer.Exit(1)


def retirements(
    name: Named,
    soon_days: Annotated[int, typer.Option(min=0, help="How many days left are urgent.")] = 90,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Show until when the models answer, with the command to move on; exit status 1 when one retires soon."""
    found = _monitor(name, workspace).retirements(soon_days=soon_days)
    output.result("\n".join(map(str, found)), found, as_json=as_json)
    if any(each.urgent for each in found):
        raise typer.Exit(1)


def export(
    name: Named,
    to: Annotated[str, typer.Option(help="prometheus (text), grafana (a dashboard) or json.")] = "prometheus",
    workspace: Place = None,
) -> None:
    """Print what a rollout does in the words of a monitoring system."""
    from finetuner.deployment.exports.grafana import grafana_dashboard
    from finetuner.deployment.exports.prometheus import prometheus_text
    from finetuner.errors import UsageError

    if to not in {"prometheus", "grafana", "json"}:
        raise UsageError(f"nothing exports to {to!r}; known: prometheus, grafana, json")
    watched = _monitor(name, workspace)
    if to == "grafana":
        output.result("", grafana_dashboard(), as_json=True)
        return
    state, decision = watched.rollout.state, watched.rollout.look()
    text = prometheus_text(state, decision, watched.retirements()).rstrip()
    output.result(text, {"state": state, "decision": decision}, as_json=to == "json")


def card(
    job: Annotated[str, typer.Argument(help="Id of the job.")],
    file: Annotated[Path | None, typer.Option("--output", help="Write it here: Markdown, or JSON for .json.")] = None,
    data: Annotated[str | None, typer.Option(help="The training data, for its licence and redaction.")] = None,
    license: Annotated[str | None, typer.Option(help="SPDX id of the model's licence.")] = None,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Write the model card: data, training, evaluations, decisions, retirement, and what isn't recorded."""
    from finetuner._core import codec
    from finetuner.data.dataset import Dataset
    from finetuner.deployment import card as cards
    from finetuner.deployment import checklist as lists

    trained = None if data is None else Dataset.load(data)
    made = cards.card(job, data=trained, license=license, workspace=workspace)
    if file is None:
        output.result(str(made), codec.decode(made.to_json()), as_json=as_json)
        return
    made.write(file)
    for rollout in made.lineage.rollouts:
        note = f"{file}: fine-tuner-cc rollout rollback {rollout.name}"
        person, names_it = getpass.getuser(), rollout.name
        lists.tick("rollback-plan", note, person=person, workspace=workspace, job=job, rollout=names_it)
    output.result(str(file), {"path": file}, as_json=as_json)


def checklist(
    phase: Annotated[
        str | None, typer.Option(help="Only data, training, evaluation, deployment, weekly or monthly.")
    ] = None,
    job: JobName = None,
    rollout: Annotated[str | None, typer.Option("--rollout", help="The newest of the job by default.")] = None,
    tick: Annotated[str | None, typer.Option(help="Tick a box that only people can: its kind of evidence.")] = None,
    note: Annotated[str, typer.Option(help="What was done, for --tick.")] = "",
    by: Annotated[str | None, typer.Option("--by", help="Who did it; you by default.")] = None,
    workspace: Place = None,
    as_json: AsJson = False,
) -> None:
    """Show the workflow's checkpoints, each box with its evidence; exit status 1 until all are passed.

    Once the tuned model serves, weekly and monthly care follow; they change the exit status only as --phase.
    """
    from finetuner.deployment import checklist as lists

    if tick is not None:
        person = by or getpass.getuser()
        lists.tick(tick, note, person=person, workspace=workspace, job=job, rollout=rollout)
    found = lists.checklist(workspace, job=job, rollout=rollout)
    chosen = (*found.phases, *found.care) if phase is None else (found.phase(phase),)
    complete = found.complete if phase is None else chosen[0].complete
    value = {"complete": complete, "phases": [{**output.plain(each), "complete": each.complete} for each in chosen]}
    output.result("\n".join(map(str, chosen)), value, as_json=as_json)
    if not complete:
        raise typer.Exit(1)


ROLLOUT: Final[tuple[Callable[..., None], ...]] = (
    start,
    status,
    shadow,
    ramp,
    report,
    decide,
    watch,
    rollback,
    promote,
)
"""`fine-tuner-cc rollout …`."""

MONITOR: Final[tuple[Callable[..., None], ...]] = (
    sample,
    drift,
    evaluate,
    recommend,
    retirements,
    export,
)
"""`fine-tuner-cc monitor …`."""


def _rollout(name: str, workspace: str | None) -> "Rollout":
    from finetuner.deployment.rollout import Rollout

    return Rollout.get(name, store=workspace)


def _known(model: "Model", rollout: "Rollout") -> bool:
    from finetuner.records.jobs import JobRecords

    catalog = model.provider.catalog
    if not catalog.models or catalog.find(model.reference.model) is not None:
        return True
    return JobRecords(rollout.journal).by_model(model.reference) is not None


def _monitor(name: str, workspace: str | None) -> "Monitor":
    from finetuner.deployment.monitor import monitor

    return monitor(_rollout(name, workspace))


def _look(look: "Look") -> str:
    if look.decision is None or look.state is None:
        return look.trouble or "nothing to tell"
    return f"{look.state.status}, {look.state.share:.0%} of units: {look.decision}"


def _show(state: "RolloutState", *, as_json: bool) -> None:
    from finetuner.deployment.text import state_text

    output.result(state_text(state), state, as_json=as_json)
