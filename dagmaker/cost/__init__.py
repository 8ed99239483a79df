"""What a plan will cost, what may be claimed with it, and the pilot that measures."""
