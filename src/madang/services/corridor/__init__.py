"""Room on the road: corridors for responders, priority for buses, green waves for bicycles."""
