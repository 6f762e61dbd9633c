"""Judges every value: flags with reasons, after the QARTOD tests."""
