"""Benchmarks by name, one page each. Their data lies in local files: nothing is downloaded."""
