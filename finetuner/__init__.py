"""Fine-tune a language model and live with it in production."""

__version__ = "0.1.0"
