"""Speed of the engine, in CPU seconds of one core; `make bench` writes RESULTS.md."""
