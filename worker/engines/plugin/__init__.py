"""Engines outside this package: loaded, called with care, and what they return is checked."""
