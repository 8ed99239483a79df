"""Bounds shared by arguments, specs and files; imports nothing, since every command line needs them."""

MAX_DECS = 10_000
"""Declinations of a grid; each has its own directory."""
MAX_NAME = 150
"""Characters of the name of a point: of a folder, and part of a node's name."""
MAX_PER_FILE = 10**9
"""Trials of a file, 24 GB."""
MAX_TRIALS = 10**12
"""Trials of one stream."""
MAX_ROUNDS = 10
"""Rounds of an adaptive analysis."""
