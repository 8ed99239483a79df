"""A real, private HTCondor pool on one machine, and the tests that run on it."""
