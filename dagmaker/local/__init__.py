"""Run a plan on this machine."""
