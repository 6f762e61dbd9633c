"""Care plugs."""
