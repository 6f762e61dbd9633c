"""Devices: who they are, what their fields mean, when they fall silent."""
