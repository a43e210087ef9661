"""Whether to train again: what the audit and the events of a rollout say for and against it.

A single alarm of drift only opens a review; two weeks running, or quality that fell beyond its interval, call for a
new training. Too little data is an answer of its own, never a no.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import attrs

from finetuner.deployment import reevaluation
from finetuner.deployment.gates import Gates
from finetuner.deployment.observations import Observation
from finetuner.deployment.retirement import Retirement
from finetuner.deployment.sequential import confidence_sequence
from finetuner.deployment.strata import Stratum, clustered_difference
from finetuner.deployment.wording import ago, figures
from finetuner.records.rollouts import DecisionRecord

Reply = Literal["yes", "no", "not enough data"]

KIND: Final = "recommend"
"""Of its entries in a rollout's audit."""

MONTH_DAYS: Final = 31
"""A look on fresh rows that is older says nothing about today."""

FEWEST_SCORED: Final = 50
"""Units with feedback on either side below which nothing is said."""

_DAY: Final = 86_400.0
_WEEK_DAYS: Final = 7
_APART: Final = 6 * _DAY


@attrs.frozen(kw_only=True)
class Signal:
    """One thing that may call for a new training.

    Attributes:
        name: `drift`, `quality` (on fresh rows), `labels`, `feedback` or `retirement`.
        answer: `yes` calls for it; `not enough data` is neither a yes nor a no.
        evidence: The figures.
        command: What gives (more of) them, or acts on them.
    """

    name: str
    answer: Reply
    evidence: str
    command: str = ""

    def __str__(self) -> str:
        """One line for people."""
        todo = f"; run: {self.command}" if self.command and self.answer != "no" else ""
        return f"{self.name}: {self.answer}: {self.evidence}{todo}"


@attrs.frozen
class Recommendation:
    """Whether to train again.

    Attributes:
        signals: Everything that was looked at.
    """

    signals: tuple[Signal, ...]

    @property
    def answer(self) -> Reply:
        """`yes` where one signal says so; `no` where drift is told, and quality by fresh rows or by feedback."""
        answers = {signal.name: signal.answer for signal in self.signals}
        if "yes" in answers.values():
            return "yes"
        told = answers.get("drift") == "no" and "no" in {answers.get("quality"), answers.get("feedback")}
        return "no" if told else "not enough data"

    @property
    def reasons(self) -> tuple[str, ...]:
        """The evidence of the signals that call for it."""
        return tuple(f"{signal.name}: {signal.evidence}" for signal in self.signals if signal.answer == "yes")

    def __str__(self) -> str:
        """The answer, and a line for each signal."""
        return "\n".join([f"train again: {self.answer}", *(f"- {signal}" for signal in self.signals)])


def drift_signal(audit: Sequence[DecisionRecord], now: float, *, train: str) -> Signal:
    """Whether traffic drifted in two consecutive weeks, by the drift reports in the audit.

    Args:
        audit: Oldest first.
        now: Seconds since the epoch.
        train: What to run to train again.
    """
    reports = [record for record in audit if record.kind == "drift"]
    command = _command(audit, "drift")
    if not reports or _monday(reports[-1].created_at) < _monday(now) - timedelta(days=_WEEK_DAYS):
        return Signal(
            name="drift", answer="not enough data", evidence="no report of the last two weeks", command=command
        )
    last = reports[-1]
    when, state = ago(now - last.created_at), last.body["state"]
    if state == "insufficient_data":
        return Signal(name="drift", answer="not enough data", evidence=f"too few values, {when}", command=command)
    if state == "no_drift":
        return Signal(name="drift", answer="no", evidence=f"none, {when}")
    named = ", ".join(last.body["features"])
    before = _week_before(reports)
    if before is None:
        evidence = f"{named}, {when}, not yet in two consecutive weeks: review it, and look again next week"
        return Signal(name="drift", answer="not enough data", evidence=evidence, command=command)
    evidence = f"two weeks running: {', '.join(before.body['features'])}, then {named}"
    return Signal(name="drift", answer="yes", evidence=evidence, command=train)


def evaluation_signals(audit: Sequence[DecisionRecord], now: float, *, train: str) -> tuple[Signal, Signal]:
    """Whether quality fell, and whether there are labels that the model doesn't know, by the last look on fresh rows.

    Args:
        audit: Oldest first.
        now: Seconds since the epoch.
        train: What to run to train again.
    """
    command = _command(audit, "evaluate", " FILE")
    looks = reevaluation.kept(audit)
    if not looks or now - looks[-1].look.at > MONTH_DAYS * _DAY:
        old = (
            f"the last look on fresh rows was {ago(now - looks[-1].look.at)}" if looks else "no look on fresh rows yet"
        )
        unknown = Signal(name="quality", answer="not enough data", evidence=old, command=command)
        return unknown, attrs.evolve(unknown, name="labels")
    last = looks[-1]
    answer = _REPLIES[last.fell]
    todo = {"yes": train, "no": "", "not enough data": command}[answer]
    quality = Signal(name="quality", answer=answer, evidence=_quality(last), command=todo)
    if not last.look.labels:
        return quality, Signal(name="labels", answer="no", evidence="the task has none")
    new = ", ".join(f"{name} ({rows} rows)" for name, rows in last.new_labels.items())
    if new:
        return quality, Signal(name="labels", answer="yes", evidence=f"new: {new}", command=train)
    return quality, Signal(name="labels", answer="no", evidence=f"no new one among {len(last.look.labels)}")


def feedback_signal(events: Sequence[Observation], now: float, gates: Gates, *, train: str) -> Signal:
    """Whether feedback on the tuned model's answers fell in the last four weeks, against all before (formula A).

    Args:
        events: Of the rollout.
        now: Seconds since the epoch.
        gates: Levels, and the margin.
        train: What to run to train again.
    """
    edge = now - 4 * _WEEK_DAYS * _DAY
    before, recent = _scores(events, edge)
    few = f"{len(before):,} units with feedback before the last four weeks, {len(recent):,} in them"
    if min(len(before), len(recent)) < FEWEST_SCORED:
        return Signal(name="feedback", answer="not enough data", evidence=f"{few}; {FEWEST_SCORED} needed of each")
    effect = clustered_difference([Stratum(before, recent)])
    if effect is None:
        return Signal(name="feedback", answer="no", evidence=f"nothing varies: {few}")
    change = confidence_sequence(effect, alpha=gates.alpha, planned_n=gates.planned_units)
    margin = gates.quality_margin
    answer: Reply = "yes" if change.high < -margin else "no" if change.low > -margin else "not enough data"
    told = figures("difference", change.value, change.low, change.high, change.n)
    return Signal(
        name="feedback",
        answer=answer,
        evidence=f"last four weeks against before: {told}",
        command=train if answer == "yes" else "",
    )


def retirement_signal(retirements: Sequence[Retirement]) -> Signal:
    """Whether the tuned model, or the base that it is made from, stops answering soon.

    Args:
        retirements: The most urgent first.
    """
    ending = [each for each in retirements if each.role in {"tuned", "base"}]
    urgent = next((each for each in ending if each.urgent), None)
    if urgent is not None:
        evidence = f"{urgent.role} {urgent.model} retires on {urgent.retires}, {urgent.days_left} days left"
        return Signal(name="retirement", answer="yes", evidence=evidence, command=urgent.command)
    first = next((each for each in ending if each.retires is not None), None)
    told = "no date announced" if first is None else f"not before {first.retires}"
    return Signal(name="retirement", answer="no", evidence=told)


_REPLIES: Final[dict[bool | None, Reply]] = {True: "yes", False: "no", None: "not enough data"}


def _week_before(reports: Sequence[DecisionRecord]) -> DecisionRecord | None:
    """A report of drift in the week before the last report's, on other traffic; None where one between denies it."""
    last = reports[-1]
    week = _monday(last.created_at) - timedelta(days=_WEEK_DAYS)
    for report in reversed(reports[:-1]):
        if report.body["state"] == "no_drift" or _monday(report.created_at) < week:
            return None
        # Reports of a Sunday and the Monday after it see the same days.
        apart = last.created_at - report.created_at >= _APART
        if report.body["state"] == "drift" and apart and _monday(report.created_at) == week:
            return report
    return None


def _monday(at: float) -> datetime:
    day = datetime.fromtimestamp(at, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())


def _quality(found: reevaluation.Reevaluation) -> str:
    look = found.look
    parts = list(_differences(found))
    return f"{'; '.join(parts)} (margin {100 * found.margin:.1f} points) on {look.dataset[:12]}"


def _differences(found: reevaluation.Reevaluation) -> Iterator[str]:
    shown = found.look.difference
    told = figures("difference", shown.value, shown.low, shown.high, shown.n)
    yield f"{found.look.metric} of tuned against base: {told}"
    if found.change is not None:
        change = found.change
        yield f"against the last look: {figures('difference', change.value, change.low, change.high, change.n)}"


def _scores(events: Sequence[Observation], edge: float) -> tuple[dict[str, float], dict[str, float]]:
    """Mean feedback of each unit on answers of tuned, before an instant and from it on."""
    scores = {event.request_id: event.quality for event in events if event.kind == "feedback"}
    sides: tuple[dict[str, list[float]], dict[str, list[float]]] = ({}, {})
    for event in events:
        score = scores.get(event.request_id)
        if event.kind == "exposure" and event.served == "tuned" and score is not None:
            sides[event.at >= edge].setdefault(event.unit or event.request_id, []).append(score)
    before, recent = ({unit: sum(all_) / len(all_) for unit, all_ in side.items()} for side in sides)
    return before, recent


def _name(audit: Sequence[DecisionRecord]) -> str:
    return str(audit[0].body["name"])


def _command(audit: Sequence[DecisionRecord], command: str, rest: str = "") -> str:
    return f"fine-tuner-cc monitor {command} {_name(audit)}{rest}"
