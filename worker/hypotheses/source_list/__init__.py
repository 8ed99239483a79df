"""A list of sources; all sources are fitted in the same skies."""
