"""The journal: one record of uploads, jobs, evaluations, rollouts and decisions, kept through kill -9."""
