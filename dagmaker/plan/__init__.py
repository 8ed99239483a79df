"""The plan as data: nodes, their processes, and how work is split."""
