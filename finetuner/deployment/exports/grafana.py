"""A Grafana dashboard of all rollouts, on the metrics that `prometheus` exposes."""

from typing import Final

import attrs

from finetuner._core.types import JsonObject

_SOURCE: Final = {"type": "prometheus", "uid": "${source}"}
_WIDTH, _HEIGHT, _COLUMNS = 12, 8, 2


@attrs.frozen
class _Panel:
    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"


_HERE = '{rollout="$rollout"}'


def _here(**labels: str) -> str:
    named = "".join(f',{label}="{value}"' for label, value in labels.items())
    return f'{{rollout="$rollout"{named}}}'


_PANELS: Final = (
    _Panel("Share of units on the tuned model", ((f"finetuner_rollout_share{_HERE}", "share"),), "percentunit"),
    _Panel("What is called for", ((f"finetuner_rollout_decision{_HERE} == 1", "{{action}}"),)),
    _Panel("Requests per second", ((f"rate(finetuner_requests_total{_HERE}[5m])", "{{arm}}"),), "reqps"),
    _Panel(
        "Errors",
        (
            (
                f"rate(finetuner_request_errors_total{_HERE}[5m]) / rate(finetuner_requests_total{_HERE}[5m])",
                "{{arm}}",
            ),
        ),
        "percentunit",
    ),
    _Panel("Latency, p95", ((f"finetuner_latency_seconds{_here(quantile='0.95')}", "{{arm}}"),), "s"),
    _Panel("Latency, p99", ((f"finetuner_latency_seconds{_here(quantile='0.99')}", "{{arm}}"),), "s"),
    _Panel(
        "Quality, tuned minus base",
        (
            (f"finetuner_difference{_here(metric='feedback')}", "by feedback"),
            (f"finetuner_difference_bound{_here(metric='feedback')}", "by feedback, {{end}}"),
            (f"finetuner_difference{_here(metric='pairs')}", "on pairs"),
            (f"finetuner_difference_bound{_here(metric='pairs')}", "on pairs, {{end}}"),
        ),
    ),
    _Panel(
        "Guardrails: evidence against the tuned model",
        (
            (f"finetuner_guardrail_log_evidence{_HERE}", "{{guardrail}}"),
            (f"finetuner_guardrail_alarm{_HERE}", "alarm"),
        ),
    ),
    _Panel(
        "Shadow",
        (
            (f"rate(finetuner_shadow_answers_total{_HERE}[5m])", "answers"),
            (f"rate(finetuner_shadow_failures_total{_HERE}[5m])", "failed"),
            (f"rate(finetuner_shadow_lost_total{_HERE}[5m])", "lost: {{reason}}"),
        ),
        "reqps",
    ),
    _Panel("Cost per hour, USD", ((f"rate(finetuner_cost_usd_total{_HERE}[1h]) * 3600", "{{arm}}"),), "currencyUSD"),
    _Panel("Lost events", ((f"finetuner_lost_events_share{_HERE}", "share"),), "percentunit"),
    _Panel("Days until a model stops answering", ((f"finetuner_model_days_left{_HERE}", "{{role}}: {{model}}"),), "d"),
)


def grafana_dashboard() -> JsonObject:
    """The dashboard, to be imported as JSON; it asks for a Prometheus source and a rollout."""
    return {
        "title": "finetuner rollouts",
        "uid": "finetuner-rollouts",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "type": "datasource", "query": "prometheus", "label": "Source"},
                {
                    "name": "rollout",
                    "type": "query",
                    "label": "Rollout",
                    "datasource": _SOURCE,
                    "query": "label_values(finetuner_rollout_share, rollout)",
                    "refresh": 2,
                },
            ]
        },
        "panels": [_panel(number, panel) for number, panel in enumerate(_PANELS)],
    }


def _panel(number: int, panel: _Panel) -> JsonObject:
    row, column = divmod(number, _COLUMNS)
    return {
        "id": number + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": _SOURCE,
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + place), "expr": query, "legendFormat": legend, "datasource": _SOURCE}
            for place, (query, legend) in enumerate(panel.queries)
        ],
    }
