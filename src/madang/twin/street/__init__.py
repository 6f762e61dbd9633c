"""The street: one microscopic simulation of a scenario in SUMO, with cabinets and detectors."""
