"""The context broker: the only writer of state, and what it tells others about it."""
