"""The live stream of the map: what is in view, kept current for all, as bytes made once."""
