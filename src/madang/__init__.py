"""Madang, an open city operating system: one NGSI-LD hub and everything a city hangs on it."""

__version__ = "0.1.0"
