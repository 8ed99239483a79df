"""Points without skies: each is tested by itself."""
