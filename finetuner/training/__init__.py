"""Training: jobs from price to checkpoint, on any provider."""
