"""Data: examples, data sets, formats, checks, analysis, review, duplicates, splits, privacy."""
