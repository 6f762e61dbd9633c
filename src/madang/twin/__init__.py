"""The twin: the road network, its traffic and its people, and trying before doing."""
