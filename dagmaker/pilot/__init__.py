"""A small run of every kind of task before the analysis: what it measures becomes the plan's costs."""
