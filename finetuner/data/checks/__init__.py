"""Checks: every problem of a data set, with its line and field, for a provider, a model and a day."""
