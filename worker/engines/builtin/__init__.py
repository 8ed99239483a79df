"""The likelihood engine: arrays in, arrays out; no paths, no argv, no random state."""
