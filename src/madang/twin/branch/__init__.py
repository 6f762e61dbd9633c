"""Trying before doing: branches of the city's state, policies run on them, what differs."""
