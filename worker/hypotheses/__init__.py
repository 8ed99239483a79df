"""What is tested, and what becomes of it: one folder for each kind of scan."""
