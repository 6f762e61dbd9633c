"""Warnings at crossings."""
