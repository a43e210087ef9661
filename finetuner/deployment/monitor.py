"""Life after the rollout: a weekly sample, drift, fresh evaluations, retirement dates, and whether to train again."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Unpack

import attrs

from finetuner._core import codec
from finetuner._core.hashing import unit_interval
from finetuner.data.examples import Example
from finetuner.deployment import drift, observations, reevaluation, retraining
from finetuner.deployment.drift import DriftReport, Traffic
from finetuner.deployment.observations import Observation
from finetuner.deployment.reevaluation import Reevaluation
from finetuner.deployment.retirement import SOON_DAYS, Retirement, retirements
from finetuner.deployment.retraining import Recommendation
from finetuner.deployment.rollout import Rollout
from finetuner.deployment.state import Arm
from finetuner.errors import UsageError
from finetuner.evaluation.comparison import compare
from finetuner.evaluation.ports import LabeledData
from finetuner.evaluation.session import EvaluateOptions
from finetuner.providers.model import Model
from finetuner.records.jobs import JobRecord, JobRecords

_WEEK_DAYS = 7
_DAY_SECONDS = 86_400.0


@attrs.frozen(kw_only=True)
class SampledRequest:
    """An answer that a person should look at.

    Attributes:
        request_id: Of the answer; the same as in your logs and for `Router.feedback`.
        at: Seconds since the epoch.
        unit: Who was served.
        why: `random`, or why it is uncertain.
        latency: Seconds.
        error: The class of what the assigned arm raised.
        quality: Feedback so far, 0 to 1.
        prompt: What was asked, where the router keeps texts.
        answer: What was answered, likewise.
    """

    request_id: str
    at: float
    unit: str | None
    why: str
    latency: float
    error: str | None
    quality: float | None
    prompt: str | None = None
    answer: str | None = None


@attrs.frozen(kw_only=True)
class WeeklySample:
    """The answers of one week that people look at.

    Attributes:
        week: ISO week, such as `2026-W48`.
        served: Answers of the week that it was drawn from.
        requests: Random and uncertain ones mixed, in the order of time.
    """

    week: str
    served: int
    requests: tuple[SampledRequest, ...]


@attrs.frozen
class Monitor:
    """Watches a rollout."""

    rollout: Rollout

    def weekly_sample(
        self, n: int = 100, *, week: date | None = None, arm: Arm = "tuned", uncertain: float = 0.5
    ) -> WeeklySample:
        """Answers of one week for people to review: the same call gives the same sample. Kept in the audit.

        Args:
            n: How many at most.
            week: A day of the week; by default today's (UTC).
            arm: Whose answers.
            uncertain: Share of the sample (0 to 1) that is taken for looking wrong; the others are random.

        Raises:
            UsageError: An impossible number or share.
        """
        if n < 1 or not 0 <= uncertain <= 1:
            raise UsageError(f"a sample of {n} with {uncertain:g} uncertain ones is impossible: give n >= 1, 0 to 1")
        day = week or datetime.fromtimestamp(self.rollout.clock.now(), UTC).date()
        monday = day - timedelta(days=day.weekday())
        start = datetime(monday.year, monday.month, monday.day, tzinfo=UTC).timestamp()
        events = self._events()
        served = [
            event
            for event in events
            if event.kind == "exposure"
            and event.assigned == arm
            and start <= event.at < start + _WEEK_DAYS * _DAY_SECONDS
        ]
        name = f"{monday:%G-W%V}"
        sample = WeeklySample(
            week=name,
            served=len(served),
            requests=_sampled(served, _quality(events), n, uncertain, f"{self.rollout.name}.{name}"),
        )
        body = {"week": name, "served": sample.served, "requests": len(sample.requests)}
        self.rollout.note("sample", body)
        return sample

    def drift(
        self,
        reference: Iterable[Example] | None = None,
        *,
        recent: Iterable[Example] | None = None,
        days: int = _WEEK_DAYS,
    ) -> DriftReport:
        """Whether traffic still looks like the reference; kept in the rollout's audit.

        Args:
            reference: The data that the model was made from; by default the rollout's own traffic before.
            recent: What is asked now, such as `Dataset.from_logs(...)`; by default the rollout's own events.
            days: How far back "now" reaches.

        Returns:
            One verdict for each feature that both sides have; too few values are `insufficient_data`.
        """
        report = self._compared(reference, recent, days)
        self.rollout.note("drift", {"state": report.state, "features": list(report.drifted), "days": days})
        return report

    def reevaluate(
        self,
        fresh: LabeledData,
        *,
        known_labels: Collection[str] = (),
        base: Model | None = None,
        tuned: Model | None = None,
        **options: Unpack[EvaluateOptions],
    ) -> Reevaluation:
        """How both models do on fresh rows, and what changed since the last time; kept in journal and audit.

        Args:
            fresh: Requests with their right answers that no look at this rollout has seen.
            known_labels: Labels that the model was made for; by default those of the oldest look.
            base: The rollout's base, where its provider needs more than its environment's settings.
            tuned: Likewise.
            **options: As for `finetuner.compare`.

        Raises:
            UsageError: The rows were looked at before, or no row has an answer of both models.
            LeakError: The model was trained on some of the rows.
            FinetunerError: As `finetuner.compare`.
        """
        rollout, state = self.rollout, self.rollout.state
        audit = rollout.audit
        reevaluation.require_fresh(fresh.fingerprint, audit)
        first = reevaluation.before_rollout(rollout.journal, state.base, state.tuned)
        options["journal"] = rollout.journal
        pair = (base or self.rollout.model("base"), tuned or self.rollout.model("tuned"))
        look = reevaluation.looked(compare(*pair, fresh, **options), rollout.clock.now())
        earlier = reevaluation.kept(audit)
        made = reevaluation.against(look, earlier, first, margin=state.gates.quality_margin, known=known_labels)
        rollout.note(reevaluation.KIND, codec.unstructure(made))
        return made

    def recommendation(self, *, on: date | None = None) -> Recommendation:
        """Whether to train again: yes, no, or not enough data to tell, with the evidence; kept in the audit.

        Args:
            on: The day from which a retiring model's days are counted; today in UTC by default.
        """
        state, now = self.rollout.state, self.rollout.clock.now()
        audit, job = self.rollout.audit, self._job
        provider, _, model = (state.base if job is None else self._base(job)).partition(":")
        train = f"fine-tuner-cc create FILE --provider {provider} --model {model}"
        made = Recommendation(
            (
                retraining.drift_signal(audit, now, train=train),
                *retraining.evaluation_signals(audit, now, train=train),
                retraining.feedback_signal(self._events(), now, state.gates, train=train),
                retraining.retirement_signal(self.retirements(on=on)),
            )
        )
        self.rollout.note(retraining.KIND, codec.unstructure(made) | {"answer": made.answer})
        return made

    def retirements(self, *, on: date | None = None, soon_days: int = SOON_DAYS) -> tuple[Retirement, ...]:
        """Until when the tuned model, its base and the rollback target answer, the most urgent first.

        Args:
            on: The day from which days left are counted; today in UTC by default.
            soon_days: How many days left are urgent.
        """
        state = self.rollout.state
        job = self._job
        models = {"tuned": state.tuned, "rollback": state.base}
        bases: dict[str, str] = {}
        if job is not None:
            bases[state.tuned] = models["base"] = self._base(job)
        return retirements(models, bases=bases, job=None if job is None else job.job_id, on=on, soon_days=soon_days)

    @property
    def _job(self) -> JobRecord | None:
        return JobRecords(self.rollout.journal).by_model(self.rollout.state.tuned)

    @staticmethod
    def _base(job: JobRecord) -> str:
        return f"{job.provider}:{job.request.model}"

    def _compared(
        self, reference: Iterable[Example] | None, recent: Iterable[Example] | None, days: int
    ) -> DriftReport:
        if recent is not None and reference is not None:
            return drift.compare(Traffic.of_examples(recent), Traffic.of_examples(reference))
        edge = self.rollout.clock.now() - days * _DAY_SECONDS
        events = self._events()
        now = Traffic.of_events(event for event in events if event.at >= edge)
        before = Traffic.of_events(event for event in events if event.at < edge)
        return drift.compare(now, before if reference is None else Traffic.of_examples(reference))

    def _events(self) -> tuple[Observation, ...]:
        observations.fold(self.rollout.events_folder, self.rollout.journal, self.rollout.name)
        return observations.folded(self.rollout.journal, self.rollout.name)


def monitor(rollout: Rollout) -> Monitor:
    """Watch a rollout: weekly sample, drift, fresh evaluations, retirement dates, whether to train again."""
    return Monitor(rollout)


def day(text: str) -> date:
    """The day that a text such as `2026-11-24` means.

    Raises:
        UsageError: It means none.
    """
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is no day: write YYYY-MM-DD") from error


def _quality(events: Sequence[Observation]) -> dict[str, float]:
    return {
        event.request_id: event.quality for event in events if event.kind == "feedback" and event.quality is not None
    }


def _sampled(
    served: Sequence[Observation], quality: Mapping[str, float], n: int, uncertain: float, salt: str
) -> tuple[SampledRequest, ...]:
    """Uncertain ones first, then random ones of the rest; decided by ids, so that order doesn't matter."""

    def chance(event: Observation) -> float:
        return unit_interval(salt, event.request_id)

    doubted = [(doubt, event) for event in served if (doubt := _doubt(event, quality.get(event.request_id)))[0] > 0]
    doubted.sort(key=lambda pair: (-pair[0][0], chance(pair[1])))
    chosen = {event.request_id: (event, why) for (_, why), event in doubted[: round(n * uncertain)]}
    rest = sorted((event for event in served if event.request_id not in chosen), key=chance)
    chosen |= {event.request_id: (event, "random") for event in rest[: n - len(chosen)]}
    ordered = sorted(chosen.values(), key=lambda pair: (pair[0].at, pair[0].request_id))
    return tuple(
        SampledRequest(
            request_id=event.request_id,
            at=event.at,
            unit=event.unit,
            why=why,
            latency=event.latency,
            error=event.error,
            quality=quality.get(event.request_id),
            prompt=event.prompt,
            answer=event.answer,
        )
        for event, why in ordered
    )


def _doubt(event: Observation, quality: float | None) -> tuple[float, str]:
    """How doubtful an answer is, 0 (not at all) to 2, and why."""
    if event.error is not None:
        return 2.0, f"failed: {event.error}"
    if event.valid is False:
        return 1.5, "invalid"
    if event.finish_reason == "length":
        return 1.2, "cut off"
    if quality is not None and quality < 1:
        return 1.0 - quality, f"feedback {quality:g}"
    return 0.0, ""
