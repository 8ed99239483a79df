"""The log of the real sky: every attempt to open it and every scan of it, one line of JSON each.

Each line holds the sha256 of the line before it, so that a line that was changed or removed is noticed; certificates of
reviews hold that of the last line. The log lies outside RUN/unblinded: it is still there where that folder is removed.
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
"""Events of an unblinding that was allowed begin with this word."""
SCANNED = "scanned by a review"
FIRST = "0" * 64
"""What the first line holds in place of a sha256."""
_KEYS = ("at", "by", "host", "event", "token", "previous")
_RECORDED = ("token", "approved_by", "date", "reason", "opened_by", "opened_at", "host")
_LONGEST = 200  # characters of a token that are kept


class Log(NamedTuple):
    """What the log of a run tells.

    Attributes
    ----------
    lines : tuple of dict
        at (UTC), by, host, event, token, previous.
    heads : tuple of str
        Sha256 of each line.
    faults : tuple of str
        Places at which a line was changed or removed.
    """

    lines: tuple[dict[str, str], ...]
    heads: tuple[str, ...]
    faults: tuple[str, ...]

    def opened(self, token: str | None = None) -> list[dict[str, str]]:
        """Lines of the openings, or of those with a token."""
        found = [line for line in self.lines if line["event"].startswith(OPENED)]
        return found if token is None else [line for line in found if line["token"] == token]

    def state(self) -> dict[str, Any]:
        """Number of lines and sha256 of the last one: what a certificate keeps."""
        return {"lines": len(self.heads), "sha256": self.heads[-1] if self.heads else FIRST}

    def holds(self, state: Any) -> bool:
        """Whether the log begins with the lines that a certificate kept the state of."""
        lines = state.get("lines") if isinstance(state, dict) else None
        if not isinstance(lines, int) or isinstance(lines, bool) or not 0 <= lines <= len(self.heads):
            return False
        return bool(state.get("sha256") == (self.heads[lines - 1] if lines else FIRST))


def read(run: Run) -> Log:
    """The log of a run, empty where there is none.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    path = run.path / layout.UNBLINDING_LOG
    try:
        raw = file_bytes(path, MAX_JSON)
    except (FileNotFoundError, NotADirectoryError):
        return Log((), (), ())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); put the log of this run in its place") from None
    lines, heads, faults = [], [], []
    previous = FIRST
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
    """Add a line, on the disk when this returns.

    Raises
    ------
    InputError
        If it cannot be written: then nothing may be opened.
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
        If it is missing, or is not what `dagmaker unblind` writes.
    """
    found = store.load_json(run.path, layout.OPENED)
    kinds = {**dict.fromkeys(_RECORDED, str), "waived": list}
    wrong = [key for key, kind in kinds.items() if not isinstance(found, dict) or not isinstance(found.get(key), kind)]
    wrong = wrong or [key for key in _RECORDED if not found[key]]
    if wrong:
        raise InputError(
            f"{run.path / layout.OPENED}: is not what `dagmaker unblind` writes: {', '.join(wrong)} is missing, empty "
            "or of the wrong kind; restore this file from a copy of the run"
        )
    return dict(found)


def traces(run: Run) -> Iterator[str]:
    """Files of the run that tell of an opening, whatever the log says."""
    if (run.path / layout.UNBLINDED).is_dir():
        found = sorted((run.path / layout.UNBLINDED).rglob("*"))
        yield from (path.relative_to(run.path).as_posix() for path in found if path.is_file())
    closed = Log((), (), ()).state()
    for rel, key in ((layout.SUMMARY, "unblinded"), (layout.CERTIFICATE, "real_sky_log")):
        if held(run, rel, key) not in (None, closed):
            yield str(rel)


def held(run: Run, rel: PurePosixPath, key: str) -> Any:
    """What a JSON file of the run holds under a key; None where there is no such file or key."""
    try:
        found = store.load_json(run.path, rel)
    except InputError:
        return None
    return found.get(key) if isinstance(found, dict) else None


def now() -> str:
    """The time, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def user() -> str:
    """Who runs this process."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def _line(text: bytes) -> dict[str, str] | None:
    try:
        found = json_value(text)
    except ValueError:
        return None
    if not isinstance(found, dict) or any(not isinstance(found.get(key), str) for key in _KEYS):
        return None
    return found
