"""What a review compares: files with their records, trials with their replay, results with their recomputation."""
