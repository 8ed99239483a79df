"""What there is to do, as data: nodes, the processes of each, and how work is cut."""
