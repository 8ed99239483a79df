"""Output streams that escape control characters and never stop a command.

Text from files could contain characters that control a terminal: those that cannot be printed become escapes. If
stdout is closed, full or no longer read, the command continues, and its exit code is that of its work.
"""

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_WRITTEN_OVER = "\r", "\x1b[K"
"""Start and end of a progress line, which the next one overwrites."""


def visible(text: str) -> str:
    r"""Return a text with escapes for control characters, except tab and newline.

    Examples
    --------
    >>> visible("red: \x1b[31m")
    'red: \\x1b[31m'
    """
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


class Output:
    """A text stream that escapes control characters and continues if nobody reads it.

    Parameters
    ----------
    stream : text stream or None
        None if the process was started with the stream closed: output is dropped.
    drawn : bool
        Whether the text may move the cursor.

    Attributes
    ----------
    lost : str
        Why nothing can be written any more; empty as long as it can.
    is_read : bool
        False once the reader of a pipe has gone.
    """

    def __init__(self, stream: Any, drawn: bool = False) -> None:
        self.stream, self._drawn = stream, drawn
        self.lost, self.is_read = "", True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self.stream is not None and bool(self.stream.isatty())

    def write(self, text: str) -> int:
        """Write a text, with escapes for what the stream's encoding or a terminal does not take."""
        if self.stream is not None and not self.lost:
            shown = text if self._drawn else _plain(text)
            encoding = getattr(self.stream, "encoding", None) or "utf-8"
            try:
                self.stream.write(shown.encode(encoding, "backslashreplace").decode(encoding))
            except (OSError, ValueError) as error:
                self._lose(error)
        return len(text)

    def flush(self) -> None:
        """Flush the stream."""
        if self.stream is not None and not self.lost:
            try:
                self.stream.flush()
            except (OSError, ValueError) as error:
                self._lose(error)

    def _lose(self, error: Exception) -> None:
        """Stop writing, and redirect the stream to /dev/null, so that its buffer does not fail again at exit."""
        self.lost = os.strerror(getattr(error, "errno", None) or errno.EBADF)
        with suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.stream.fileno())
            os.close(nowhere)
        self.is_read = not isinstance(error, BrokenPipeError)
        if self.is_read and sys.stderr is not self:  # no message for `| head`
            print(f"stdout: cannot be written ({self.lost}); the command goes on without it", file=sys.stderr)


@contextmanager
def safe_streams() -> Iterator[Output]:
    """Replace stdout (which is returned) and stderr by an `Output` within the context."""
    before = sys.stdout, sys.stderr
    for number in range(3):  # otherwise the next opened file takes the number of a closed stream
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest free number: this one
    out = Output(sys.stdout)
    sys.stdout, sys.stderr = out, Output(sys.stderr)
    try:
        yield out
    finally:
        out.flush()
        sys.stdout, sys.stderr = before


def is_read() -> bool:
    """Return whether somebody may still read stdout."""
    return getattr(sys.stdout, "is_read", True)


def terminal() -> Any:
    """Return stdout for a display that moves the cursor; the caller passes text from files through `visible`."""
    return Output(getattr(sys.stdout, "stream", sys.stdout), drawn=True)


def _plain(text: str) -> str:
    begin, end = _WRITTEN_OVER
    head = begin if text.startswith(begin) else ""
    tail = end if text.endswith(end) else ""
    return head + visible(text[len(head) : len(text) - len(tail)]) + tail
