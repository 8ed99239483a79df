"""Why there is no pool."""


class PoolUnavailableError(Exception):
    """This machine cannot have a pool: pool tests skip with this text, except in CI, where they fail."""


class PoolBrokenError(Exception):
    """A pool that should work does not: always a failure."""
