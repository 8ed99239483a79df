"""Bounds that arguments, specs and files share; light, since a command line needs them before anything else."""

MAX_DECS = 10_000
"""Declinations of a grid; every one has a directory of its own."""
MAX_PER_FILE = 10**9
"""Trials of a file, 24 GB."""
MAX_TRIALS = 10**12
"""Trials of one stream: far above any use, far below what an address can hold."""
MAX_ROUNDS = 10
"""Rounds of an adaptive analysis."""
