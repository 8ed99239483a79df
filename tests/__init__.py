"""Tests; a package so that `python -m tests.pool.pool` works and two test files may share a name."""
