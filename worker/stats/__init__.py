"""Statistics of trials: numbers in, numbers out."""
