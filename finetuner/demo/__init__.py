"""The demo's own data: support requests of an invented shop, and the production logs they come from."""
