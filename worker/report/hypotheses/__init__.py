"""What a report shows of each hypothesis: one module for each kind of scan."""
