"""Return type of every command: a dict for `--json` and lines for the terminal."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Result(NamedTuple):
    """The outcome of a command.

    Attributes
    ----------
    document : mapping
        Printed with `--json`; a test compares its keys with the command's docstring.
    lines : iterable of str
        Printed without `--json`. Progress is printed by the command itself, with `--json` to stderr.
    code : int
        Exit code.
    """

    document: Mapping[str, Any]
    lines: Iterable[str] = ()
    code: int = 0
