"""Incremental reader of HTCondor's event logs.

It needs no bindings and skips irrelevant events: the log of a hundred thousand processes has 150 MB.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from worker.base.reading import opened

SUBMIT, EXECUTE, EVICTED, TERMINATED, SHADOW_EXCEPTION, ABORTED = 0, 1, 4, 5, 7, 9
HELD, RELEASED, RECONNECT_FAILED, FACTORY_SUBMIT = 12, 13, 24, 35

KINDS = frozenset(
    (SUBMIT, EXECUTE, EVICTED, TERMINATED, SHADOW_EXCEPTION, ABORTED, HELD, RELEASED, RECONNECT_FAILED, FACTORY_SUBMIT)
)

_KIND_CODES = frozenset(b"%03d" % kind for kind in KINDS)
_END = b"\n...\n"
_CHUNK = 1 << 24
_LONGEST = 1 << 20  # limit of an event, bytes; usual are some hundreds
_NUMBER = rb"(-?\d{1,15})"
_TIME = rb"(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d|\d\d/\d\d \d\d:\d\d:\d\d)"
_HEAD = re.compile(rb"(\d{3}) \(%b\.%b\.-?\d+\) %b" % (_NUMBER, _NUMBER, _TIME))
# Format of HTCondor 23.9, then of 25.14.
_NODE = re.compile(rb"""(?:DAG Node: |DAGNodeName = ")([^\s"\0]+)""")
_ENDED = re.compile(rb"\(\d\) (Normal termination \(return value|Abnormal termination \(signal) (-?\d{1,15})\)")
_SLOT = re.compile(rb"SlotName: \S*?@(\S+)")
_ALIAS = re.compile(rb"alias=([^&>\s]+)")
_ADDRESS = re.compile(rb"executing on host: (\S+)")
_HOLD = re.compile(rb"Code (\d{1,15}) Subcode (-?\d{1,15})")


class Hold(NamedTuple):
    """Why a process is held: HTCondor's HoldReasonCode, HoldReasonSubCode and HoldReason."""

    code: int
    subcode: int
    reason: str


class Event(NamedTuple):
    """One event of one process.

    Attributes
    ----------
    kind : int
        HTCondor's event number.
    time : str
        Local time of the submit host, in whole seconds, as in the log.
    body : bytes
        Text of the event.
    """

    kind: int
    cluster: int
    process: int
    time: str
    body: bytes


def node(event: Event) -> str | None:
    """DAG node of a submitted process."""
    found = _NODE.search(event.body)
    return found[1].decode(errors="replace") if found else None


def exit_code(event: Event) -> int | None:
    """Exit code of an ended process, or minus the signal; None if it did not end by itself."""
    found = _ENDED.search(event.body)
    if found is None:
        return None
    return int(found[2]) if found[1].startswith(b"Normal") else -int(found[2])


def host(event: Event) -> str:
    """Machine on which a process started."""
    for pattern in (_SLOT, _ALIAS, _ADDRESS):
        if found := pattern.search(event.body):
            return found[1].decode(errors="replace")
    return "?"


def submit_host(event: Event) -> str:
    """Machine on which a process was submitted; empty if the event does not name it."""
    found = _ALIAS.search(event.body)
    return found[1].decode(errors="replace") if found else ""


def hold(event: Event) -> Hold:
    """Why a process was held."""
    found = _HOLD.search(event.body)
    code, subcode = (int(found[1]), int(found[2])) if found else (0, 0)
    return Hold(code, subcode, reason(event))


def reason(event: Event) -> str:
    """First line of an event's text after its head."""
    lines = event.body.decode(errors="replace").splitlines()[1:]
    return lines[0].strip() if lines else ""


class Log:
    """A log file, and how far it has been read.

    Attributes
    ----------
    offset : int, bytes
        End of the last complete event that was read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.offset = 0
        self._inode = 0

    def restarted(self) -> bool:
        """Whether the file was replaced or shortened; reading then starts from its beginning."""
        try:
            status = self.path.stat()
        except OSError:
            return False
        other = self._inode not in (0, status.st_ino) or status.st_size < self.offset
        self._inode = status.st_ino
        if other:
            self.offset = 0
        return other

    def new(self) -> Iterator[Event]:
        """Complete events since the last call."""
        with suppress(OSError), opened(self.path) as stream:
            self._inode = os.fstat(stream.fileno()).st_ino
            stream.seek(self.offset)
            rest = b""
            while chunk := stream.read(_CHUNK):
                blocks = (rest + chunk).split(_END)
                rest = blocks.pop()[-_LONGEST:]
                for block in blocks:
                    if block[:3] in _KIND_CODES and (head := _HEAD.match(block)):
                        yield Event(int(head[1]), int(head[2]), int(head[3]), head[4].decode(), block)
                self.offset = stream.tell() - len(rest)
