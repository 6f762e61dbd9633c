"""Forecasts of any series."""
