"""Parts of the report that depend on the hypothesis: one module per kind of scan."""
