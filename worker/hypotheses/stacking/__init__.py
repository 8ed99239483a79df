"""Catalogues, each of whose sources are fitted together; all catalogues in the same skies."""
