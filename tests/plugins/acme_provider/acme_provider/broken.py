"""A plug-in that can't be imported: its own error must be seen."""

raise RuntimeError("acme's native library is missing")
