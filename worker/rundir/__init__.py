"""The run directory: where files lie, what is expected, how they are written and recorded."""
