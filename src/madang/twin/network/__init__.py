"""The road network of a city as the simulation has it: drawn by a plan, or read from a map."""
