"""One file over HTTP: resumed where it stopped, checked against its checksum, complete or absent under its name."""

import hashlib
import http.client
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from dagmaker.releases.releases import RemoteFile
from worker.errors import InputError

Progress = Callable[[int], None]

ATTEMPTS = 6
"""Consecutive tries that bring no byte before a server is given up."""
_CHUNK = 1 << 20
_TIMEOUT_S = 60
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_RANGE = re.compile(r"bytes (\d+)-")


class _InterruptedError(Exception):
    """The connection ended early, or the server is busy: try again."""


def get_json(url: str, wait_s: float = 1.0) -> Any:
    """What a server answers, read as JSON.

    Raises
    ------
    InputError
        No answer, an error, or no JSON.
    """
    for attempt in range(ATTEMPTS):
        try:
            with _open(url, 0) as answer:
                return json.loads(answer.read())
        except _InterruptedError as error:
            _wait(attempt, wait_s, url, error)
        except ValueError:
            raise InputError(
                f"{url}: the answer is not JSON (a login page?). Check --base_url and the network"
            ) from None
        except (OSError, http.client.HTTPException) as error:
            _wait(attempt, wait_s, url, error)
    raise AssertionError("unreachable")


def fetch(file: RemoteFile, target: Path, progress: Progress, wait_s: float = 1.0) -> bool:
    """Download a file to `target`; a whole one that is there already is kept.

    What has come so far lies beside it, named with its checksum and ``.part``, and the next call goes on from there.

    Parameters
    ----------
    progress : callable
        Called with the bytes of this file that are here.
    wait_s : float
        Before the second try; doubles with each.

    Returns
    -------
    bool
        Whether anything was downloaded.

    Raises
    ------
    InputError
        The server, the network or the disk fails for good, or the checksum is wrong twice.
    """
    if _is_whole(target, file):
        return False
    part = target.with_name(f"{target.name}.{file.checksum[:8]}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        for last in (False, True):
            _complete(file, part, progress, wait_s)
            if _is_whole(part, file):
                part.replace(target)
                return True
            part.unlink()
            if last:
                raise InputError(
                    f"{file.url}: {file.path} does not have the {file.algorithm} {file.checksum} that is published for "
                    "it, twice. Try later, or another --base_url"
                )
    except OSError as error:
        raise InputError(
            f"{part}: cannot be written ({os.strerror(error.errno or 0)}). Free space, or choose another --output"
        ) from None
    raise AssertionError("unreachable")


def _complete(file: RemoteFile, part: Path, progress: Progress, wait_s: float) -> None:
    """Append to `part` until the server says that it is all."""
    attempt = 0
    while True:
        have = part.stat().st_size if part.exists() else 0
        if file.size is not None and have >= file.size > 0:
            return  # the checksum tells whether it is right
        try:
            _append(file, part, have, progress)
            return
        except _InterruptedError as error:
            now = part.stat().st_size if part.exists() else 0
            attempt = 0 if now > have else attempt
            _wait(attempt, wait_s, file.url, error)
            attempt += 1


def _append(file: RemoteFile, part: Path, have: int, progress: Progress) -> None:
    try:
        with _open(file.url, have) as answer, part.open("ab") as out:
            if have and not _goes_on(answer, have):
                out.truncate(0)
                have = 0
            try:
                while chunk := answer.read(_CHUNK):
                    out.write(chunk)
                    have += len(chunk)
                    progress(have)
            finally:
                out.flush()
                os.fsync(out.fileno())
    except (http.client.HTTPException, ConnectionError, TimeoutError, URLError) as error:
        raise _InterruptedError(str(error) or type(error).__name__) from None
    if file.size is not None and have < file.size:
        raise _InterruptedError(f"the connection ended after {have} of {file.size} bytes")


def _goes_on(answer: Any, have: int) -> bool:
    """Whether the answer begins where we stopped; a server may send everything from the start."""
    match = _RANGE.match(answer.headers.get("Content-Range") or "")
    return answer.status == http.client.PARTIAL_CONTENT and match is not None and int(match[1]) == have


def _open(url: str, start: int) -> Any:
    headers = {"User-Agent": "dagmaker", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        return urlopen(Request(url, headers=headers), timeout=_TIMEOUT_S)  # only http and https: see `fetch.fetch`
    except HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
            return _open(url, 0)
        if error.code in _PASSING:
            raise _InterruptedError(f"the server answers {error.code} {error.reason}") from None
        raise InputError(
            f"{url}: the server answers {error.code} {error.reason}. Check the name of the release and --base_url"
        ) from None


def _wait(attempt: int, wait_s: float, url: str, error: Exception) -> None:
    if attempt + 1 >= ATTEMPTS:
        raise InputError(
            f"{url}: {error}; given up after {ATTEMPTS} tries. What came is kept: run the same command again to go on. "
            "Check the network, a proxy (https_proxy), or --base_url"
        ) from None
    time.sleep(wait_s * 2**attempt)


def _is_whole(path: Path, file: RemoteFile) -> bool:
    """Whether a file is there, of the right size and checksum."""
    if not path.is_file() or (file.size is not None and path.stat().st_size != file.size):
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, file.algorithm).hexdigest() == file.checksum
