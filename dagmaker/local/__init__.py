"""A whole plan on this machine."""
