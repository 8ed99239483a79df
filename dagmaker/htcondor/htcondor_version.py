"""Release of a pool's HTCondor, and the submit commands that it does not know."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from worker.base.errors import SpecError

Version = tuple[int, int, int]

OLDEST: Version = (23, 9, 0)  # oldest tested release; assumed if the release is unknown
CONTAINER = "universe = container"
CONTAINER_SINCE: Version = (9, 5, 0)
# Recent submit commands. An older release ignores them at best; late materialisation in DAGs goes wrong.
SINCE: dict[str, Version] = {
    "allowed_execute_duration": (9, 3, 2),
    "max_idle": (24, 2, 1),
    "max_materialize": (24, 2, 1),
    "retry_request_memory": (25, 2, 1),
}
_NUMBER = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_IMAGE = re.compile(rf"^{CONTAINER}\ncontainer_image = (.*)\n", flags=re.MULTILINE)
_CONFIG = Path("/etc/condor/condor_config")


def parse(text: str) -> Version:
    """Release number ``x.y.z`` in a text.

    Raises
    ------
    SpecError
        There is none.
    """
    found = _NUMBER.search(text)
    if not found:
        raise SpecError(f"condor_version: {text}: not a release; write e.g. condor_version: 24.0.1")
    return int(found[1]), int(found[2]), int(found[3])


def of_pool() -> Version | None:
    """Release of the local HTCondor: of the tools on PATH, which submit and run the DAG, else of the schedd."""
    tool = shutil.which("condor_version")
    if tool:
        output = subprocess.run([tool], capture_output=True, text=True, check=False).stdout
        if _NUMBER.search(output):
            return parse(output)
    return _of_schedd() if os.environ.get("CONDOR_CONFIG") or _CONFIG.exists() else None


def _of_schedd() -> Version | None:
    """Release of the schedd by the bindings; None if either is missing."""
    try:
        import htcondor2

        ad = htcondor2.Collector().locate(htcondor2.DaemonType.Schedd)
        return parse(str(ad["CondorVersion"]))
    except Exception:  # any problem: commands of the oldest release are safe
        return None


def without_unknown_commands(
    files: Iterable[tuple[str, str]], version: Version | None, left_out: dict[str, None]
) -> Iterator[tuple[str, str]]:
    """The files without submit commands that the pool does not know; their names are added to `left_out`.

    Parameters
    ----------
    version : tuple of int or None
        Release of the pool; None if unknown: `OLDEST` is assumed.
    """
    pool = version or OLDEST
    young = [name for name, since in SINCE.items() if pool < since]
    command = re.compile(rf"^\s*({'|'.join(young)})\s*=.*\n", flags=re.IGNORECASE | re.MULTILINE) if young else None
    for name, text in files:
        if command is None or not name.endswith(".sub"):
            yield name, text
            continue
        left_out.update(dict.fromkeys(found.lower() for found in command.findall(text)))
        known = command.sub("", text)
        if pool < CONTAINER_SINCE and _IMAGE.search(known):
            left_out[CONTAINER] = None
            known = _IMAGE.sub(r'universe = vanilla\n+SingularityImage = "\1"\n', known)
        yield name, known


def left_out_notes(left_out: Iterable[str], version: Version | None) -> Iterator[str]:
    """One note for each command that was left out."""
    pool = "unknown (site profile: condor_version)" if version is None else ".".join(map(str, version))
    for name in left_out:
        since = ".".join(map(str, SINCE.get(name, CONTAINER_SINCE)))
        instead = "; +SingularityImage names the image instead" if name == CONTAINER else ""
        yield f"left out: {name}, known since HTCondor {since}; this pool's release is {pool}{instead}"
