"""Files, arrays, arithmetic and random numbers: no physics, no spec."""
