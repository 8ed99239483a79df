"""The log of the real sky: every attempt to open it and every scan of it, one line of JSON each.

Each line has the sha256 of the line before it, which shows a changed or removed line; certificates of reviews have that
of the last line. The log is outside RUN/unblinded, so that it remains if that folder is removed.
"""

import fcntl
import getpass
import hashlib
import json
import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from worker.base.errors import InputError
from worker.base.reading import MAX_JSON, file_bytes, json_value
from worker.rundir import layout, store
from worker.rundir.ledger import Run

OPENED = "opened"
"""First word of the event of an allowed unblinding."""
SCANNED = "scanned by a review"
FIRST_PREVIOUS = "0" * 64
"""Value of `previous` in the first line."""
_KEYS = ("at", "by", "host", "event", "token", "previous")
_RECORDED = ("token", "approved_by", "date", "reason", "opened_by", "opened_at", "host")
_LONGEST = 200  # characters of a token that are kept


class Log(NamedTuple):
    """Lines of the log of a run, sha256 of each line, and where a line was changed or removed."""

    lines: tuple[dict[str, str], ...]
    heads: tuple[str, ...]
    faults: tuple[str, ...]

    def opened(self, token: str | None = None) -> list[dict[str, str]]:
        """Lines of the openings, optionally only those with a token."""
        lines = [line for line in self.lines if line["event"].startswith(OPENED)]
        return lines if token is None else [line for line in lines if line["token"] == token]

    def state(self) -> dict[str, Any]:
        """Number of lines and sha256 of the last one, for certificates."""
        return {"lines": len(self.heads), "sha256": self.heads[-1] if self.heads else FIRST_PREVIOUS}

    def holds(self, state: Any) -> bool:
        """Whether the log begins with the lines that had this state."""
        lines = state.get("lines") if isinstance(state, dict) else None
        if not isinstance(lines, int) or isinstance(lines, bool) or not 0 <= lines <= len(self.heads):
            return False
        return bool(state.get("sha256") == (self.heads[lines - 1] if lines else FIRST_PREVIOUS))


def read(run: Run) -> Log:
    """The log of a run; empty without a file.

    Raises
    ------
    InputError
        It cannot be read.
    """
    path = run.path / layout.UNBLINDING_LOG
    try:
        raw = file_bytes(path, MAX_JSON)
    except (FileNotFoundError, NotADirectoryError):
        return Log((), (), ())
    except PermissionError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); put the log of this run in its place") from None
    lines, heads, faults = [], [], []
    previous = FIRST_PREVIOUS
    for number, text in enumerate(raw.splitlines(), 1):
        line = _line(text)
        if line is None:
            faults.append(f"line {number} is not a line of this log")
        else:
            lines.append(line)
            if line["previous"] != previous:
                faults.append(f"a line before line {number} was changed or removed")
        previous = hashlib.sha256(text).hexdigest()
        heads.append(previous)
    return Log(tuple(lines), tuple(heads), tuple(faults))


def append(run: Run, event: str, token: str = "") -> None:
    """Add a line and flush it to disk.

    Raises
    ------
    InputError
        It cannot be written; then nothing may be opened.
    """
    path = run.path / layout.UNBLINDING_LOG
    try:
        path.parent.mkdir(exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(handle, fcntl.LOCK_EX)
            state = read(run).state()
            line = {
                "at": now(), "by": user(), "host": platform.node(), "event": event, "token": token[:_LONGEST],
                "previous": state["sha256"],
            }  # fmt: skip
            os.write(handle, (json.dumps(line) + "\n").encode())
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror}): nothing is opened without a record") from None


def record(run: Run) -> dict[str, Any]:
    """Who opened the real sky, when, why and with which token: RUN/unblinded/opened.json.

    Raises
    ------
    InputError
        It is missing or invalid.
    """
    content = store.load_json(run.path, layout.OPENED)
    kinds = {**dict.fromkeys(_RECORDED, str), "waived": list}
    wrong = [
        key for key, kind in kinds.items() if not isinstance(content, dict) or not isinstance(content.get(key), kind)
    ]
    wrong = wrong or [key for key in _RECORDED if not content[key]]
    if wrong:
        raise InputError(
            f"{run.path / layout.OPENED}: is not what `dagmaker unblind` writes: {', '.join(wrong)} is missing, empty "
            "or of the wrong kind; restore this file from a copy of the run"
        )
    return dict(content)


def traces(run: Run) -> Iterator[str]:
    """Files of the run that show an opening, or that the log lost lines."""
    if (run.path / layout.UNBLINDED).is_dir():
        paths = sorted((run.path / layout.UNBLINDED).rglob("*"))
        yield from (path.relative_to(run.path).as_posix() for path in paths if path.is_file())
    if json_value_at(run, layout.SUMMARY, "unblinded") is not None:
        yield str(layout.SUMMARY)
    state = json_value_at(run, layout.CERTIFICATE, "real_sky_log")
    if state is not None and not read(run).holds(state):  # else the log shows all that the certificate saw
        yield str(layout.CERTIFICATE)


def json_value_at(run: Run, rel: PurePosixPath, key: str) -> Any:
    """Value of a key in a JSON file of the run; None without the file or key."""
    try:
        content = store.load_json(run.path, rel)
    except InputError:
        return None
    return content.get(key) if isinstance(content, dict) else None


def now() -> str:
    """Present time, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def user() -> str:
    """User name of this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _line(text: bytes) -> dict[str, str] | None:
    try:
        line = json_value(text)
    except ValueError:
        return None
    if not isinstance(line, dict) or any(not isinstance(line.get(key), str) for key in _KEYS):
        return None
    return line
