"""A list of sources, all of them in the same skies."""
