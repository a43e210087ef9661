"""Deployment: assignment of users to models, statistics valid at any time, staged rollout, monitoring and drift."""
