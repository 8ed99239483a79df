"""The run directory: names, expected files, writing and records."""
