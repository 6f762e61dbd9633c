"""Road incidents: found out, told to who is near, kept as evidence, learned from."""
