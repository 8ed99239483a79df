"""Command lines in messages."""

import shlex


def command(*words: object) -> str:
    """Return a command line with shell quoting.

    >>> command("dagmaker", "status", "/home/you/my runs")
    "dagmaker status '/home/you/my runs'"
    """
    return shlex.join(map(str, words))


def dagmaker(*words: object) -> str:
    """Return a command line of dagmaker."""
    return command("dagmaker", *words)


def worker(*words: object) -> str:
    """Return the command line that runs a task by hand."""
    return command("worker", *words)
