"""What Madang does in the city: commands to devices, incidents, words to people."""
