"""Metrics: one file each, pure functions of expected and given answers, each value with its interval."""
