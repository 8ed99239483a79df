"""Checks before unblinding, approval, and the one road to the real sky."""
