"""How word of changes travels between hubs that share a database."""
