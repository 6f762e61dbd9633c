"""A demo city that makes every page alive: generated, seeded, marked as such, without real data."""
