"""The command line of the worker."""
