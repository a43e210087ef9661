"""Vertex AI: tuning Gemini models."""
