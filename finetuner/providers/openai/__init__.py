"""OpenAI: files, fine-tuning jobs and completions, and servers that speak the same language."""
