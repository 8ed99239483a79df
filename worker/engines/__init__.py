"""Likelihood engines: arrays in, arrays out."""
