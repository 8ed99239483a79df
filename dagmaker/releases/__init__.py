"""Download published data releases."""
