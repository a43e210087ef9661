"""Other systems read what is exported with their own readers."""

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from finetuner.deployment.decision import Situation, decide
from finetuner.deployment.experiment import report
from finetuner.deployment.exports import names
from finetuner.deployment.exports.following import Follower
from finetuner.deployment.exports.grafana import grafana_dashboard
from finetuner.deployment.exports.otel import OtelExporter
from finetuner.deployment.exports.prometheus import FAMILIES, prometheus_text
from finetuner.deployment.observations import Observation, record
from finetuner.deployment.retirement import Retirement
from finetuner.deployment.state import RolloutState
from finetuner.errors import UnknownNameError

STATE = RolloutState(
    name="tickets", base="openai:gpt-x", tuned="openai:ft:gpt-x:a::1", salt="a", shadow_salt="b", status="ramping",
    share=0.5, stage=1, created_at=0.0, stage_started_at=0.0,
)  # fmt: skip


def events(n: int = 400) -> Iterator[Observation]:
    for number in range(n):
        arm = "tuned" if number % 2 else "base"
        request = f"r{number}"
        yield Observation(
            kind="exposure", request_id=request, at=100.0 + number, unit=f"u{number}", stage=1, share=0.5,
            assigned=arm, served="base" if number == 1 else arm, analyzed=True, latency=0.5 + number / 1000,
            first_token=0.1, prompt_tokens=40, completion_tokens=3, cached_tokens=16, cost_usd=0.01,
            finish_reason="stop", error="Timeout" if number == 1 else None, prompt="a secret", answer="another",
        )  # fmt: skip
        yield Observation(kind="feedback", request_id=request, at=100.0 + number, quality=float(number % 3 > 0))
    yield Observation(kind="shadow", request_id="r0", at=900.0, stage=1, served="tuned", latency=1.0)
    yield Observation(kind="shadow", request_id="r2", at=901.0, stage=1, lost="queue")


def text(retirements: tuple[Retirement, ...] = ()) -> str:
    decision = decide(report(events(), stage=1), Situation.of(STATE, now=60.0))
    return prometheus_text(STATE, decision, retirements)


RETIREMENT = Retirement(
    role="tuned", model='openai:"odd"\\name\n', retires=date(2027, 1, 1), days_left=38, urgency="soon",
    source="", command="",
)  # fmt: skip


def test_prometheus_reads_every_family_and_odd_names() -> None:
    parser = pytest.importorskip("prometheus_client.parser", reason="the extra prometheus isn't installed")
    found = {family.name: family for family in parser.text_string_to_metric_families(text((RETIREMENT,)))}
    assert {family.name.removesuffix("_total") for family in FAMILIES} == set(found)
    requests = {sample.labels["arm"]: sample.value for sample in found["finetuner_requests"].samples}
    assert requests == {"base": 200.0, "tuned": 200.0}
    assert found["finetuner_requests"].type == "counter"
    (days,) = found["finetuner_model_days_left"].samples
    assert (days.labels["model"], days.value) == (RETIREMENT.model, 38.0)
    (hold,) = [sample for sample in found["finetuner_rollout_decision"].samples if sample.value]
    assert hold.labels == {"rollout": "tickets", "action": "HOLD"}


def test_the_dashboard_asks_only_for_what_is_exposed() -> None:
    board = json.loads(json.dumps(grafana_dashboard()))
    exposed = text((RETIREMENT,))
    queries = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    for query in queries:
        asked = [family.name for family in FAMILIES if f"{family.name}{{" in query]
        assert asked, query
        assert all(f"\n{name}{{" in exposed for name in asked if "pairs" not in query), query
    assert {len(panel["gridPos"]) for panel in board["panels"]} == {4}


def test_both_versions_of_names_are_the_published_ones() -> None:
    assert names.convention("1.41").duration == "gen_ai.client.operation.duration"
    assert names.convention("next").duration == "gen_ai.client.inference.duration"
    assert names.DURATION_BUCKETS[0] == 0.01
    assert names.DURATION_BUCKETS[-1] == pytest.approx(81.92)
    assert names.TOKEN_BUCKETS[-1] == 67108864
    with pytest.raises(UnknownNameError, match="next"):
        names.convention("1.0")


class Collected:
    """What an SDK with in-memory exporters got."""

    def __init__(self, version: names.ConventionName) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import InMemoryMetricReader
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import SimpleSpanProcessor
        from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

        reader, self._spans, traces = InMemoryMetricReader(), InMemorySpanExporter(), TracerProvider()
        traces.add_span_processor(SimpleSpanProcessor(self._spans))
        meters = MeterProvider(metric_readers=[reader])
        exporter = OtelExporter(STATE, version=version, meter_provider=meters, tracer_provider=traces)
        self.count = exporter.export(events(4))
        self.spans = self._spans.get_finished_spans()
        data = reader.get_metrics_data()
        assert data is not None
        self.metrics = {
            metric.name: metric.data
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }
        meters.shutdown()


@pytest.fixture(scope="module")
def collected() -> Collected:
    pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry's SDK isn't installed")
    return Collected("1.41")


def test_calls_become_spans_with_their_own_times_and_no_texts(collected: Collected) -> None:
    calls = [span for span in collected.spans if span.name.startswith("chat ")]
    assert [span.name for span in calls] == ["chat gpt-x", "chat ft:gpt-x:a::1"] * 2 + ["chat ft:gpt-x:a::1"]
    failed = calls[1]
    assert failed.attributes["error.type"] == "Timeout"
    assert (failed.attributes[names.ARM], failed.attributes[names.SERVED]) == ("tuned", "base")
    assert failed.end_time == 101 * 10**9
    assert failed.end_time - failed.start_time == pytest.approx(0.501e9, abs=1e3)
    assert calls[0].attributes["gen_ai.usage.input_tokens"] == 40
    assert calls[0].attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert "secret" not in "".join(span.to_json() for span in collected.spans)


def test_feedback_becomes_an_evaluation_joined_by_id(collected: Collected) -> None:
    (first, *_) = [span for span in collected.spans if span.name == "evaluate tickets"]
    (event,) = first.events
    assert event.name == "gen_ai.evaluation.result"
    assert dict(event.attributes) == {"gen_ai.evaluation.name": "quality", "gen_ai.evaluation.score.value": 0.0}
    assert first.attributes[names.REQUEST] == "r0"


def test_metrics_have_the_buckets_and_few_attributes(collected: Collected) -> None:
    points = collected.metrics["gen_ai.client.operation.duration"].data_points
    assert sum(point.count for point in points) == 5
    assert points[0].explicit_bounds == pytest.approx(names.DURATION_BUCKETS)
    assert not any("r0" in str(point.attributes) for point in points)
    kinds = {
        point.attributes["gen_ai.token.type"] for point in collected.metrics["gen_ai.client.token.usage"].data_points
    }
    assert kinds == {"input", "output"}
    assert "gen_ai.client.operation.time_to_first_chunk" in collected.metrics


def test_the_next_names_replace_the_frozen_ones() -> None:
    pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry's SDK isn't installed")
    assert set(Collected("next").metrics) == {
        "gen_ai.client.inference.duration",
        "gen_ai.client.inference.operation.input_tokens",
        "gen_ai.client.inference.operation.output_tokens",
        "gen_ai.client.inference.usage.cache_read.input_tokens",
    }


def test_a_follower_gives_each_event_once_from_now_or_from_the_start(tmp_path: Path) -> None:
    first, second, *_ = events()
    record(tmp_path, first)
    late, early = Follower(tmp_path), Follower(tmp_path, from_start=True)
    assert list(late.new()) == []
    assert list(early.new()) == [first]
    record(tmp_path, second)
    assert list(late.new()) == list(early.new()) == [second]
    assert list(early.new()) == []
