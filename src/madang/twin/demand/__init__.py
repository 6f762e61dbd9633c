"""Traffic demand: the trips of a day for SUMO, and fitting them to counts."""
