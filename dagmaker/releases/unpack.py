"""Unpack archives of a release in place, after checking all members."""

import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from dagmaker.releases.releases import printable, safe_path
from worker.base.errors import InputError

Members = dict[PurePosixPath, zipfile.ZipInfo]

_MOST_MEMBERS = 10_000
_MOST_TIMES, _SPARE = 200, 100_000_000
"""Limit of expansion: tables compress by 10 to 30; an archive that expands 200 times and by 100 MB is an attack."""
_CHUNK = 1 << 20


def unpack_all(output: Path, listed: Sequence[PurePosixPath]) -> None:
    """Unpack every zip archive among the files of a release.

    Parameters
    ----------
    listed : sequence of PurePosixPath
        Files of the release, relative to `output`; no member may replace one.

    Raises
    ------
    InputError
        The archive is damaged or suspicious; nothing of it is unpacked.
    """
    seen: dict[PurePosixPath, int | None] = dict.fromkeys(listed)
    for path in listed:
        if path.suffix != ".zip":
            continue
        try:
            with zipfile.ZipFile(output / path) as archive:
                _unpack(archive, output, _members(archive, path, seen))
        except InputError:
            raise
        except Exception as error:  # damaged archives raise many types, such as RuntimeError
            what = printable(error) or type(error).__name__
            raise InputError(
                f"{output / path}: cannot be unpacked ({what}). Is there space? Unpack it by hand"
            ) from None
        print(f"unpacked {path.name}", flush=True)


def _members(archive: zipfile.ZipFile, path: PurePosixPath, seen: dict[PurePosixPath, int | None]) -> Members:
    """Files of an archive by path; adds them to `seen` with their checksums."""
    infos = archive.infolist()
    total, size = sum(info.file_size for info in infos), sum(info.compress_size for info in infos)
    if len(infos) > _MOST_MEMBERS or total > _MOST_TIMES * size + _SPARE:
        raise InputError(
            f"{path}: {len(infos)} members of {total:,} bytes in an archive of {size:,} bytes: no release is like that."
            " Nothing is unpacked. Check --base_url"
        )
    members: Members = {}
    for info in infos:
        if info.is_dir():
            continue
        place = safe_path(str(path.parent), info.filename)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG) or info.flag_bits & 1:
            raise InputError(f"{path}: {place} is a link, a device or encrypted: nothing is unpacked. Check --base_url")
        if place in members or seen.get(place, info.CRC) != info.CRC:
            raise InputError(
                f"{path}: {place} is in the release already, with other bytes or twice: nothing is unpacked. Report it "
                "to the Dataverse"
            )
        members[place] = info
    seen.update({place: info.CRC for place, info in members.items()})
    return members


def _unpack(archive: zipfile.ZipFile, output: Path, members: Members) -> None:
    """Unpack missing members to a temporary folder; move them into place when all are complete."""
    missing = {place: info for place, info in members.items() if not _is_whole(output / place, info)}
    need, free = sum(info.file_size for info in missing.values()), shutil.disk_usage(output).free
    if need > free:
        raise InputError(f"{output}: {need / 1e9:.2f} GB to unpack and {free / 1e9:.2f} GB are free. Free space")
    if not missing:
        return
    with tempfile.TemporaryDirectory(prefix=".unpack-", dir=output) as folder:
        for number, info in enumerate(missing.values()):
            with archive.open(info) as source, (Path(folder) / str(number)).open("wb") as out:
                shutil.copyfileobj(source, out, _CHUNK)  # checks size and CRC
                if out.tell() != info.file_size:
                    raise InputError(f"{printable(info.filename)}: {out.tell()} bytes instead of {info.file_size}")
        for number, place in enumerate(missing):
            (output / place).parent.mkdir(parents=True, exist_ok=True)
            (Path(folder) / str(number)).replace(output / place)


def _is_whole(path: Path, info: zipfile.ZipInfo) -> bool:
    if not path.is_file() or path.stat().st_size != info.file_size:
        return False
    crc = 0
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            crc = zlib.crc32(chunk, crc)
    return crc == info.CRC
