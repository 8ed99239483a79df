"""One task of a point-source analysis: data, likelihood engine, statistics and the run directory."""
