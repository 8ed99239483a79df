"""What each task does: the one place where engine, statistics and the run directory meet."""
