"""Evaluation: metrics, statistics, comparison of a tuned model with its base, and the gates built on them."""
