"""Hypotheses: what is tested in each sky, and how. One folder per kind of scan."""
