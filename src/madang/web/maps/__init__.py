"""What maps and search are made of: names, geometry that stands still, the past, tiles."""
