"""A small node near the devices, which keeps working when the centre is cut off."""
