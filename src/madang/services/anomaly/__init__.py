"""What is unusual in any series."""
