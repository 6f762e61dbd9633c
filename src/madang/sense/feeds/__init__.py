"""Feeds: what Madang fetches itself, on a schedule. One folder a kind."""
