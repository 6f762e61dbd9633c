"""The state of a city on PostgreSQL with PostGIS: a schema a tenant, behind the same protocol."""
