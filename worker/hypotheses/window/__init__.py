"""Windows in time: tests over all sources."""
