"""Commands that a message tells people to type."""

import shlex


def command(*words: object) -> str:
    """A command line that a shell takes as it stands, whatever is in a path.

    >>> command("dagmaker", "status", "/home/you/my runs")
    "dagmaker status '/home/you/my runs'"
    """
    return shlex.join(map(str, words))


def dagmaker(*words: object) -> str:
    """A command of dagmaker."""
    return command("dagmaker", *words)


def worker(*words: object) -> str:
    """A task by hand."""
    return command("worker", *words)
