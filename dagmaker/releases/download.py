"""Download a file over HTTP, with resume and checksum; the file is complete or absent."""

import hashlib
import http.client
import json
import os
import re
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
)

from dagmaker.releases.releases import RemoteFile, printable
from worker.base.errors import InputError

Progress = Callable[[int], None]

ATTEMPTS = 6
"""Consecutive tries without a byte before giving up."""
_CHUNK = 1 << 20
_MOST_JSON = 1 << 26
_TIMEOUT_S = 60
_TRANSIENT = (408, 425, 429, 500, 502, 503, 504)
_RANGE = re.compile(r"bytes (\d+)-")


class _InterruptedError(Exception):
    """The connection ended early or the server is busy; a new try may succeed."""


def get_json(url: str, wait_s: float = 1.0) -> Any:
    """JSON answer of a server.

    Raises
    ------
    InputError
        No answer, an error, or no JSON.
    """
    for attempt in range(ATTEMPTS):
        try:
            with _open(url, 0) as answer:
                raw = _read(answer, _MOST_JSON + 1)
            if len(raw) > _MOST_JSON:
                what = f"the answer has more than {_MOST_JSON} bytes: no list of files"
                raise InputError(f"{url}: {what}. Check --base_url")
            return json.loads(raw)
        except _InterruptedError as error:
            _wait(attempt, wait_s, url, error)
        except (ValueError, RecursionError):
            what = "the answer is not JSON (a login page?). Check --base_url and the network"
            raise InputError(f"{url}: {what}") from None
    raise AssertionError("unreachable")


def fetch(file: RemoteFile, target: Path, progress: Progress, wait_s: float = 1.0) -> bool:
    """Download a file to `target`, unless it is complete already.

    Received bytes are in a ``.part`` file beside it, named with the checksum; the next call resumes from it.

    Parameters
    ----------
    progress : callable
        Called with the number of received bytes.
    wait_s : float
        Pause before the second try; doubles with each.

    Returns
    -------
    bool
        Whether anything was downloaded.

    Raises
    ------
    InputError
        The server, the network or the disk fails, the file is too long, or its checksum is wrong twice.
    """
    part = target.with_name(f"{target.name}.{file.checksum[:8]}.part")
    try:
        if _is_whole(target, file):
            return False
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
    """Append to `part` until it is complete."""
    attempt = 0
    while True:
        n_bytes = part.stat().st_size if part.exists() else 0
        if n_bytes >= file.size > 0:
            return  # the caller compares the checksum
        try:
            _append(file, part, n_bytes, progress)
            return
        except _InterruptedError as error:
            now = part.stat().st_size if part.exists() else 0
            attempt = 0 if now > n_bytes else attempt
            _wait(attempt, wait_s, file.url, error)
            attempt += 1


def _append(file: RemoteFile, part: Path, n_bytes: int, progress: Progress) -> None:
    with _open(file.url, n_bytes) as answer, part.open("ab") as out:
        if n_bytes and not _resumes(answer, n_bytes):
            out.truncate(0)
            n_bytes = 0
        try:
            while chunk := _read(answer, min(_CHUNK, file.size - n_bytes + 1)):
                n_bytes += len(chunk)
                if n_bytes > file.size:
                    out.truncate(0)
                    raise InputError(
                        f"{file.url}: the server sends more than the {file.size} bytes that are published for "
                        f"{file.path}. Check --base_url"
                    )
                out.write(chunk)
                progress(n_bytes)
        finally:
            out.flush()
            os.fsync(out.fileno())
    if n_bytes < file.size:
        raise _InterruptedError(f"the connection ended after {n_bytes} of {file.size} bytes")


def _read(answer: Any, size: int) -> bytes:
    try:
        return bytes(answer.read(size))
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise _InterruptedError(printable(error) or type(error).__name__) from None


def _resumes(answer: Any, n_bytes: int) -> bool:
    """Whether the answer continues our part; a server may send the whole file instead."""
    match = _RANGE.match(answer.headers.get("Content-Range") or "")
    return answer.status == http.client.PARTIAL_CONTENT and match is not None and int(match[1]) == n_bytes


def _open(url: str, start: int) -> Any:
    headers = {"User-Agent": "dagmaker", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        return _opener().open(Request(url, headers=headers), timeout=_TIMEOUT_S)
    except HTTPError as error:
        error.close()
        if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            return _open(url, 0)
        what = f"the server answers {error.code} {printable(error.reason)}"
        if error.code in _TRANSIENT:
            raise _InterruptedError(what) from None
        raise InputError(f"{url}: {what}. Check the name of the release and --base_url") from None
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise _InterruptedError(printable(error) or type(error).__name__) from None


class _Redirects(HTTPRedirectHandler):
    """Redirect handler that closes the connection if the new address is invalid."""

    def http_error_302(self, req: Request, fp: Any, code: int, msg: str, headers: Any) -> Any:
        try:
            return super().http_error_302(req, fp, code, msg, headers)
        except ValueError:
            fp.close()
            raise

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


@cache
def _opener() -> OpenerDirector:
    """Opener for http and https only: a server cannot redirect to a local file or to ftp."""
    opener = OpenerDirector()
    for handler in (ProxyHandler, HTTPHandler, HTTPSHandler, _Redirects, HTTPDefaultErrorHandler):
        opener.add_handler(handler())
    opener.add_handler(HTTPErrorProcessor())
    return opener


def _wait(attempt: int, wait_s: float, url: str, error: Exception) -> None:
    if attempt + 1 >= ATTEMPTS:
        raise InputError(
            f"{url}: {error}; given up after {ATTEMPTS} tries. What came is kept: run the same command again to go on. "
            "Check the network, a proxy (https_proxy), or --base_url"
        ) from None
    time.sleep(wait_s * 2**attempt)


def _is_whole(path: Path, file: RemoteFile) -> bool:
    """Whether a file exists with the right size and checksum."""
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, file.algorithm).hexdigest() == file.checksum
