"""Files that people have: tables of any make, guessed or mapped, that become entities."""
