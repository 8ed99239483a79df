"""Unpacked Debian packages made to run from any folder, beside a host with an older C library.

All shared libraries, the C library and its loader included, go into one flat folder. Each executable is
told to use that loader (its ELF interpreter) and to look for libraries there (DT_RPATH). DT_RPATH and not
RUNPATH: it holds for what a library itself needs or opens, too. LD_LIBRARY_PATH would leak into the jobs.
"""

import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.pool.errors import PoolUnavailableError

EXECUTABLE_FOLDERS = ("usr/bin", "usr/sbin", "usr/libexec/condor")
NOT_FLAT = {"gconv", "libexec", "python3"}


def assemble(condor: Path, others: Iterable[Path], tree: Path, prefix: Path) -> None:
    """Make in `tree` an HTCondor installation that works once `tree` has been renamed to `prefix`.

    Parameters
    ----------
    condor, others : Path
        The .deb files: HTCondor's own, and its libraries' with patchelf's.
    tree : Path
        A new folder; gets ``usr/`` (HTCondor) and ``lib/`` (every library).
    prefix : Path
        The final, absolute place; written into the executables.
    """
    support = tree / "support"
    _unpack([condor], tree)
    _unpack(others, support)
    libraries = tree / "lib.flat"
    libraries.mkdir()
    for folder in (tree / "usr", support):
        _flatten(folder, libraries)
    shutil.rmtree(tree / "lib", ignore_errors=True)
    libraries.rename(tree / "lib")
    _patch_executables(tree, support / "usr/bin/patchelf", prefix / "lib")
    for waste in (support, tree / "usr/share", tree / "usr/lib/python3", tree / "etc", tree / "var"):
        shutil.rmtree(waste, ignore_errors=True)
    (tree / "usr/lib/condor").mkdir(parents=True, exist_ok=True)


def executables(tree: Path) -> Iterator[Path]:
    """Files in HTCondor's folders of programs that begin as ELF files do."""
    for folder in EXECUTABLE_FOLDERS:
        for file in sorted((tree / folder).iterdir()):
            if file.is_file() and not file.is_symlink() and _is_elf(file):
                yield file


def _is_elf(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(4) == b"\x7fELF"


def _unpack(debs: Iterable[Path], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for deb in debs:
        subprocess.run(["dpkg-deb", "--extract", deb, folder], check=True, capture_output=True)


def _flatten(tree: Path, libraries: Path) -> None:
    """Move every library below `tree` into `libraries`: files first, then the links to them by name."""
    found = [
        path
        for pattern in ("lib*.so*", "ld-linux*.so*")
        for path in sorted(tree.rglob(pattern))
        if not path.is_dir() and not NOT_FLAT.intersection(path.relative_to(tree).parts)
    ]
    links = [path for path in found if path.is_symlink()]
    for path in found:
        if not path.is_symlink():
            path.rename(libraries / path.name)
    for path in links:
        target = libraries / path.name
        if not target.exists() and not target.is_symlink():
            target.symlink_to(path.readlink().name)


def _patch_executables(tree: Path, patchelf: Path, final: Path) -> None:
    libraries = tree / "lib"
    loaders = sorted(libraries.glob("ld-linux*.so*"))
    if not loaders:
        raise PoolUnavailableError(
            f"no ELF loader among the libraries in {libraries}: this architecture is not supported"
        )
    loader = loaders[0]
    # patchelf is linked against the new C library as well: start it through the new loader.
    run: list[str | Path] = [loader, "--library-path", libraries, patchelf]
    for file in executables(tree):
        has_interpreter = subprocess.run([*run, "--print-interpreter", file], capture_output=True, check=False)
        if has_interpreter.returncode != 0:
            continue  # a shared library or plug-in in a folder of programs
        change: list[str | Path] = ["--force-rpath", "--set-rpath", final, "--set-interpreter", final / loader.name]
        subprocess.run([*run, *change, file], check=True, capture_output=True)
