"""How far a run is, and what it found, for people."""
