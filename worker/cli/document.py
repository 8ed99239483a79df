"""The answer of a command with `--json`: one JSON document on stdout; all other output goes to stderr."""

import io
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from pathlib import PurePath
from typing import Any

from worker.base.errors import EXIT_CODES, InputError
from worker.base.output import Output

HELP = "--json: what it returns (or why it failed) as one JSON document on stdout; all else goes to stderr."


def is_wanted(words: Sequence[str]) -> bool:
    """Whether ``--json`` is among the words of a command line, whatever else is wrong with them."""
    for word, following in zip(words, [*words[1:], ""], strict=False):
        name, equals, value = word.partition("=")
        if name == "--json":
            return (value if equals else following).lower() != "false"
    return False


def of_error(code: int, message: str, problems: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    """The answer of a failed command.

    Parameters
    ----------
    code : int
        Its exit code.
    problems : sequence of mapping
        Errors of a spec: file, line, path and message of each.
    """
    meaning = EXIT_CODES.get(code, EXIT_CODES[1])
    error = {"exit_code": code, "meaning": meaning, "message": message, "problems": list(problems)}
    return {"error": error}


def write(document: Mapping[str, Any]) -> None:
    """Print a document; NaN and infinity become null."""
    text = json.dumps(_plain(document), indent=2, ensure_ascii=False, allow_nan=False)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:  # stdout is ASCII, or a path is no valid text
        text = json.dumps(_plain(document), indent=2, allow_nan=False)
    print(text, flush=True)


def exit_code(code: int, words: Sequence[str], out: Output) -> int:
    """The exit code of a command that ended with `code`; an error if its document could not be written."""
    lost = is_wanted(words) and out.lost and out.is_read
    return InputError.exit_code if lost and not code else code


class CapturedStdout(io.StringIO):
    """Stream that keeps text and passes it to stderr."""

    def write(self, text: str) -> int:
        """Keep it and pass it on."""
        sys.stderr.write(text)
        return super().write(text)

    def flush(self) -> None:
        """Flush stderr."""
        sys.stderr.flush()

    def lines(self) -> list[str]:
        """Captured lines without lines of JSON, whose values are in the document."""
        return [line for line in self.getvalue().splitlines() if not line.startswith("{")]


@contextmanager
def stdout_kept_free() -> Iterator[CapturedStdout]:
    """Context in which printed text goes to stderr."""
    captured = CapturedStdout()
    with redirect_stdout(captured):
        yield captured


def _plain(value: Any) -> Any:
    """Convert tuples to lists, paths to text, NaN and infinity to None."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return str(value) if isinstance(value, PurePath) else value
