"""Watch-over tags."""
