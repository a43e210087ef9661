"""Events as OpenTelemetry spans and metrics: whatever exporter the service has set up sends them on.

Needs the extra `otel` (the API alone; without an SDK nothing is sent). Texts of prompts and answers are never exported.
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from finetuner._core.extras import require
from finetuner.deployment.exports import names
from finetuner.deployment.observations import Observation
from finetuner.deployment.state import Arm, RolloutState
from finetuner.providers.reference import ModelReference

_SCOPE = "finetuner"
_OPERATION = "chat"
_NANOSECONDS = 1e9


class OtelExporter:
    """Turns events into spans and metrics of the global providers, or of given ones. Thread-safe."""

    def __init__(
        self,
        state: RolloutState,
        *,
        version: names.ConventionName = "1.41",
        meter_provider: object | None = None,
        tracer_provider: object | None = None,
    ) -> None:
        """Prepare instruments.

        Args:
            state: Of the rollout, for the models' names.
            version: Of the names.
            meter_provider: The global one by default.
            tracer_provider: Likewise.

        Raises:
            MissingExtraError: OpenTelemetry isn't installed.
        """
        metrics = cast("Any", require("opentelemetry.metrics", extra="otel", feature="exporting to OpenTelemetry"))
        trace = cast("Any", require("opentelemetry.trace", extra="otel", feature="exporting to OpenTelemetry"))
        self._trace = trace
        self._rollout = state.name
        self._models: Mapping[Arm, ModelReference] = {
            "base": ModelReference.parse(state.base),
            "tuned": ModelReference.parse(state.tuned),
        }
        self._names = names.convention(version)
        self._tracer = trace.get_tracer(_SCOPE, tracer_provider=tracer_provider)
        meter = metrics.get_meter(_SCOPE, meter_provider=meter_provider)
        self._duration = self._histogram(meter, self._names.duration, "s")
        self._first_token = self._histogram(meter, self._names.first_token, "s")
        self._tokens = self._histogram(meter, self._names.tokens, "{token}")
        self._input = self._histogram(meter, self._names.input_tokens, "{token}")
        self._output = self._histogram(meter, self._names.output_tokens, "{token}")
        cached = self._names.cached_tokens
        self._cached = None if cached is None else meter.create_counter(cached, unit="{token}")

    def export(self, events: Iterable[Observation]) -> int:
        """Export events, and tell how many."""
        count = 0
        for event in events:
            count += 1
            if event.kind in {"feedback", "verdict"}:
                self._evaluate(event)
            elif event.lost is None:
                self._call(event)
        return count

    def _call(self, event: Observation) -> None:
        attributes = self._attributes(event)
        self._duration.record(event.latency, attributes)
        if self._first_token is not None and event.first_token is not None:
            self._first_token.record(event.first_token, attributes)
        self._count(event, attributes)
        model = attributes[self._names.request_model]
        end = int(event.at * _NANOSECONDS)
        span = self._tracer.start_span(
            f"{_OPERATION} {model}",
            kind=self._trace.SpanKind.CLIENT,
            start_time=int((event.at - event.latency) * _NANOSECONDS),
            attributes=attributes | self._details(event),
        )
        if event.error is not None:
            span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, event.error))
        span.end(end_time=end)

    def _attributes(self, event: Observation) -> dict[str, str | int | bool]:
        """Attributes with few values: metrics have them too."""
        asked: Arm = "tuned" if event.kind == "shadow" else event.assigned
        model = self._models[asked]
        found: dict[str, str | int | bool] = {
            self._names.operation: _OPERATION,
            self._names.provider: model.provider,
            self._names.request_model: model.model,
            names.ROLLOUT: self._rollout,
            names.ARM: event.assigned,
            names.SERVED: event.served,
            names.STAGE: event.stage,
            names.SHADOW: event.kind == "shadow",
        }
        if event.error is not None:
            found[self._names.error_type] = event.error
        return found

    def _details(self, event: Observation) -> dict[str, str | int | list[str]]:
        """Attributes of one call alone."""
        found: dict[str, str | int | list[str] | None] = {
            names.REQUEST: event.request_id,
            self._names.conversation: event.unit,
            self._names.usage_input: event.prompt_tokens,
            self._names.usage_output: event.completion_tokens,
            self._names.usage_cached: event.cached_tokens,
            self._names.finish_reasons: None if event.finish_reason is None else [event.finish_reason],
        }
        return {name: value for name, value in found.items() if value is not None}

    def _count(self, event: Observation, attributes: Mapping[str, str | int | bool]) -> None:
        for kind, tokens, own in (
            ("input", event.prompt_tokens, self._input),
            ("output", event.completion_tokens, self._output),
        ):
            if tokens is None:
                continue
            if self._tokens is not None:
                self._tokens.record(tokens, {**attributes, self._names.token_type: kind})
            if own is not None:
                own.record(tokens, attributes)
        if self._cached is not None and event.cached_tokens:
            self._cached.add(event.cached_tokens, attributes)

    def _evaluate(self, event: Observation) -> None:
        """A score that came later: a span of its own, joined by the request's id."""
        at = int(event.at * _NANOSECONDS)
        span = self._tracer.start_span(
            f"evaluate {self._rollout}",
            start_time=at,
            attributes={names.ROLLOUT: self._rollout, names.REQUEST: event.request_id},
        )
        scores = {"quality": event.quality, "tuned_quality": event.tuned_quality}
        for name, score in scores.items():
            if score is not None:
                told = {self._names.evaluation_name: name, self._names.evaluation_score: score}
                span.add_event(self._names.evaluation, told, timestamp=at)
        span.end(end_time=at)

    def _histogram(self, meter: Any, name: str | None, unit: str) -> Any:
        if name is None:
            return None
        buckets = names.DURATION_BUCKETS if unit == "s" else names.TOKEN_BUCKETS
        return meter.create_histogram(name, unit=unit, explicit_bucket_boundaries_advisory=buckets)
