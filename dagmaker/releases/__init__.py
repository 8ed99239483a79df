"""Published data, downloaded."""
