"""Measure the costs of every kind of task in a small run, for the plan."""
