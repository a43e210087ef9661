"""Web pages and servers on this machine: people's review of examples, the dashboard, an OpenAI-compatible gateway."""
