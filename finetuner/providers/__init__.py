"""Providers: where models are trained and served. Ports, registry, catalog, and one folder for each provider."""
