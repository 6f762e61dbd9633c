"""Dashboards: what people put together from tiles, the facts they show, how pages draw them."""
