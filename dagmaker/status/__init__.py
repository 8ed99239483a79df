"""State and results of a run, as text and page."""
