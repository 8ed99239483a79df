"""Files to arrays: one reader per data format, each returning a `Dataset`."""
