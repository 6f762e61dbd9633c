"""Leaks in the network and at home."""
