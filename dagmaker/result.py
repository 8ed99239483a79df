"""What every command returns, and so can neither forget: a document for programs and lines for people."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Result(NamedTuple):
    """The outcome of a command.

    Attributes
    ----------
    document : mapping
        What `--json` prints; its keys stand in the command's docstring, and a test compares.
    lines : iterable of str
        What is printed otherwise. While it works a command prints by itself, which goes to stderr with `--json`.
    code : int
        Exit code.
    """

    document: Mapping[str, Any]
    lines: Iterable[str] = ()
    code: int = 0
