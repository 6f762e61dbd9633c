"""Sentilo, the sensor platform of Barcelona, as its clients see it: times, catalog, orders."""
