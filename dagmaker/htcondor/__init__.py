"""Everything of HTCondor: its files, what it is given, and what its logs say."""
