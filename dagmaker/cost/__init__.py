"""Cost of a plan, and the significance that it can show."""
