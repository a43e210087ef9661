"""What a rollout does, in the words of monitoring systems: OpenTelemetry, Prometheus, Grafana, JSON."""
