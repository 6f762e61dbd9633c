"""City services: what a service is, the city it works on, and what runs it."""
