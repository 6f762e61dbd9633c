"""Rules that people write without code."""
