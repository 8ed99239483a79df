"""Catalogue of published data releases, and the list of their files from their Dataverse."""

import difflib
import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import quote

from worker.base.errors import InputError, SpecError

LATEST = ":latest-published"
_DOI = re.compile(r"(doi:)?(10\.\d{4,9}/\S+)")
RESERVED = ("SOURCE.json",)
_MOST_FILES = 10_000
_LONGEST, _DEEPEST = 200, 12
_DIGITS = {"md5": 32, "sha1": 40, "sha256": 64, "sha512": 128}
_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}


class Release(NamedTuple):
    """A version of a data set on a Dataverse."""

    name: str
    doi: str
    version: str
    what: str


CATALOGUE: Mapping[str, Release] = {
    release.name: release
    for release in (
        Release("icetracks_10yr", "10.7910/DVN/VKL316", LATEST, "10 years of tracks, 2008-2018"),
        Release("icetracks_14yr", "10.7910/DVN/MMIIZA", LATEST, "14 years of tracks, the latest version"),
        Release("icetracks_14yr_v1", "10.7910/DVN/MMIIZA", "1.0", "14 years of tracks, version 1"),
        Release("icetracks_14yr_v2", "10.7910/DVN/MMIIZA", "2.0", "14 years of tracks, version 2"),
        Release("icetracks_14yr_v3.1", "10.7910/DVN/MMIIZA", "3.1", "14 years of tracks, version 3.1"),
    )
}


class RemoteFile(NamedTuple):
    """One file of a release.

    Attributes
    ----------
    path : PurePosixPath
        Path in the release's folder.
    url : str
    size : int
        Bytes.
    algorithm, checksum : str
        Name of the algorithm for hashlib, and hexadecimal digits.
    """

    path: PurePosixPath
    url: str
    size: int
    algorithm: str
    checksum: str


def find_release(name: str) -> Release:
    """A release of the catalogue, or any data set by its DOI.

    Raises
    ------
    SpecError
        There is no release of that name.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    match = _DOI.fullmatch(name)
    if match:
        return Release(name, match[2], LATEST, "data set by DOI")
    close = difflib.get_close_matches(name, CATALOGUE, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    known = "\n".join(f"  {r.name:<18} doi:{r.doi}  {r.what}" for r in CATALOGUE.values())
    known += "\n  icecube_3yr        in a wheel of PyPI      3 years of tracks, 2010-2012"
    raise SpecError(
        f"no release {name!r}{hint or '.'} There are:\n{known}\n  doi:10.xxxx/...   any data set of a Dataverse"
    )


def files_of(release: Release, base_url: str, get_json: Callable[[str], Any]) -> list[RemoteFile]:
    """Ask a Dataverse which files a release has.

    Parameters
    ----------
    get_json : callable
        Returns the JSON at a URL.

    Raises
    ------
    InputError
        The answer is not that of a Dataverse, or a file is not accessible.
    """
    base = base_url.rstrip("/")
    url = (
        f"{base}/api/datasets/:persistentId/versions/{release.version}?persistentId=doi:{quote(release.doi, safe='/')}"
    )
    try:
        entries = get_json(url)["data"]["files"]
        files = [_file(entry, base) for entry in entries[:_MOST_FILES]]
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        what = f"{type(error).__name__}: {printable(error)}"
        raise InputError(
            f"{url}: this is not how a Dataverse lists the files of a data set ({what}). "
            "Check --base_url; if it is right, its API has changed: report it"
        ) from None
    if len(entries) > _MOST_FILES:
        raise InputError(f"{url}: {len(entries)} files: no release has more than {_MOST_FILES}. Check --base_url")
    if not files:
        raise InputError(f"{url}: the data set has no files. Is the version right?")
    counts = Counter(file.path for file in files)
    twice = sorted(str(path) for path, count in counts.items() if count > 1)
    if twice:
        raise InputError(f"{url}: {', '.join(twice[:5])} listed more than once; report it to the Dataverse")
    inside_a_file = next((path for path in counts for parent in path.parents if parent in counts), None)
    if inside_a_file is not None:
        raise InputError(f"{url}: {inside_a_file} lies in what is listed as a file; report it to the Dataverse")
    return sorted(files)


def _file(entry: Mapping[str, Any], base: str) -> RemoteFile:
    data = entry["dataFile"]
    # The checksum of a table that the Dataverse has converted is that of the uploaded original.
    converted = "originalFileFormat" in data
    name = data.get("originalFileName") or data.get("filename") if converted else entry.get("label") or data["filename"]
    path = safe_path(entry.get("directoryLabel") or "", str(name))
    if entry.get("restricted"):
        raise InputError(
            f"{path}: this file is restricted: ask for access on the page of the data set, and get it there"
        )
    size = int(data["originalFileSize"] if converted else data["filesize"])
    checksum = data.get("checksum") or {"type": "MD5", "value": data["md5"]}
    url = f"{base}/api/access/datafile/{int(data['id'])}{'?format=original' if converted else ''}"
    algorithm, digits = _ALGORITHMS[checksum["type"]], str(checksum["value"]).lower()
    if size < 0 or not re.fullmatch(f"[0-9a-f]{{{_DIGITS[algorithm]}}}", digits):
        raise ValueError(f"{path} has {size} bytes and the {algorithm} {digits[:130]!r}")
    return RemoteFile(path, url, size, algorithm, digits)


def printable(value: object) -> str:
    """Text of a server for a message: shortened, without control characters."""
    return "".join(c if c.isprintable() else "?" for c in str(value)[:200])


def safe_path(folder: str, name: str) -> PurePosixPath:
    """A path from a server, relative to the output folder; raises if it would leave the folder."""
    path = PurePosixPath(folder) / name
    text = str(path)
    if path.is_absolute() or ".." in path.parts or not path.name or "\\" in text or not text.isprintable():
        raise InputError(
            f"{text[:200]!r}: a place outside the output folder, or no name at all: refused. Check --base_url"
        )
    if len(text) > _LONGEST or len(path.parts) > _DEEPEST or text in RESERVED or path.suffix == ".part":
        raise InputError(f"{text[:200]!r}: a name that no release has, or that is taken here. Check --base_url")
    return path
