"""Published data releases; which files they have is asked of their Dataverse when they are fetched."""

import difflib
import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import quote

from worker.errors import InputError, SpecError

BASE_URL = "https://dataverse.harvard.edu"
LATEST = ":latest-published"
_DOI = re.compile(r"(doi:)?(10\.\d{4,9}/\S+)")
_ALGORITHMS = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512"}


class Release(NamedTuple):
    """A data set with a DOI on a Dataverse, and which of its versions."""

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
    )
}


class RemoteFile(NamedTuple):
    """One file of a release.

    Attributes
    ----------
    path : PurePosixPath
        Where it belongs, relative to the release's folder.
    url : str
    size : int or None
        Bytes.
    algorithm, checksum : str
        Name for hashlib, and hexadecimal digits.
    """

    path: PurePosixPath
    url: str
    size: int | None
    algorithm: str
    checksum: str


def named(name: str) -> Release:
    """A release of the catalogue, or any data set by its DOI.

    Raises
    ------
    SpecError
        There is none of that name.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    match = _DOI.fullmatch(name)
    if match:
        return Release(name, match[2], LATEST, "data set by DOI")
    close = difflib.get_close_matches(name, CATALOGUE, n=1)
    hint = f"; did you mean {close[0]}?" if close else ""
    known = "\n".join(f"  {r.name:<18} doi:{r.doi}  {r.what}" for r in CATALOGUE.values())
    raise SpecError(f"no release {name!r}{hint} There are:\n{known}\n  doi:10.xxxx/...   any data set of a Dataverse")


def files_of(release: Release, base_url: str, get_json: Callable[[str], Any]) -> list[RemoteFile]:
    """Ask a Dataverse which files a release has.

    Parameters
    ----------
    get_json : callable
        What is at a URL.

    Raises
    ------
    InputError
        The answer is not that of a Dataverse, or names a file that cannot be had.
    """
    base = base_url.rstrip("/")
    url = (
        f"{base}/api/datasets/:persistentId/versions/{release.version}?persistentId=doi:{quote(release.doi, safe='/')}"
    )
    try:
        entries = get_json(url)["data"]["files"]
        files = [_file(entry, base) for entry in entries]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{url}: this is not how a Dataverse lists the files of a data set ({type(error).__name__}: {error}). "
            "Check --base_url; if it is right, its API has changed: report it"
        ) from None
    if not files:
        raise InputError(f"{url}: the data set has no files. Is the version right?")
    paths = [file.path for file in files]
    twice = sorted({str(path) for path in paths if paths.count(path) > 1})
    if twice:
        raise InputError(f"{url}: {', '.join(twice)} listed more than once; report it to the Dataverse")
    return sorted(files)


def _file(entry: Mapping[str, Any], base: str) -> RemoteFile:
    data = entry["dataFile"]
    # A table that the Dataverse has converted is kept as it was uploaded too; the checksum is that of the upload.
    converted = "originalFileFormat" in data
    name = data.get("originalFileName") or data.get("filename") if converted else entry.get("label") or data["filename"]
    path = _inside(entry.get("directoryLabel") or "", str(name))
    if entry.get("restricted"):
        raise InputError(
            f"{path}: this file is restricted: ask for access on the page of the data set, and get it there"
        )
    size = data.get("originalFileSize") if converted else data["filesize"]
    checksum = data.get("checksum") or {"type": "MD5", "value": data["md5"]}
    url = f"{base}/api/access/datafile/{int(data['id'])}{'?format=original' if converted else ''}"
    return RemoteFile(
        path, url, None if size is None else int(size), _ALGORITHMS[checksum["type"]], str(checksum["value"]).lower()
    )


def _inside(folder: str, name: str) -> PurePosixPath:
    """A path below the output folder, whatever a server says."""
    path = PurePosixPath(folder) / name
    if path.is_absolute() or ".." in path.parts or not path.name or "\\" in str(path) or "\0" in str(path):
        raise InputError(f"{str(path)!r}: a server may not choose a place outside the output folder. Check --base_url")
    return path
