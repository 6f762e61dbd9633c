"""Air quality."""
