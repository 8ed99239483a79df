"""Which HTCondor a pool runs, and which submit commands that release does not know."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from worker.errors import SpecError

Version = tuple[int, int, int]

# Submit commands that are younger than the oldest release that we support. An older one takes them for unused macros
# at best; late materialisation, which it knows outside DAGs only, it gets wrong.
SINCE: dict[str, Version] = {
    "max_idle": (24, 2, 1),
    "max_materialize": (24, 2, 1),
    "retry_request_memory": (25, 2, 1),
}
_NUMBER = re.compile(r"(\d+)\.(\d+)\.(\d+)")
_CONFIG = Path("/etc/condor/condor_config")


def parse(text: str) -> Version:
    """The first ``x.y.z`` in a text.

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
    """Release of the HTCondor here: of the tools on PATH, which submit and run the DAG, else of the schedd."""
    tool = shutil.which("condor_version")
    if tool:
        said = subprocess.run([tool], capture_output=True, text=True, check=False).stdout
        if _NUMBER.search(said):
            return parse(said)
    return _of_schedd() if os.environ.get("CONDOR_CONFIG") or _CONFIG.exists() else None


def _of_schedd() -> Version | None:
    """By the bindings; None where they, or a schedd, are missing."""
    try:
        import htcondor2

        ad = htcondor2.Collector().locate(htcondor2.DaemonType.Schedd)
        return parse(str(ad["CondorVersion"]))
    except Exception:  # whatever is wrong with a pool, the conservative set is right
        return None


def known_only(
    files: Iterable[tuple[str, str]], version: Version | None, left_out: dict[str, None]
) -> Iterator[tuple[str, str]]:
    """The same files without the submit commands that are too young; their names go into `left_out`.

    Parameters
    ----------
    version : tuple of int or None
        Of the pool; None: unknown, and nothing young is kept.
    """
    young = [name for name, since in SINCE.items() if version is None or version < since]
    command = re.compile(rf"^\s*({'|'.join(young)})\s*=.*\n", flags=re.IGNORECASE | re.MULTILINE) if young else None
    for name, text in files:
        if command is None or not name.endswith(".sub"):
            yield name, text
            continue
        left_out.update(dict.fromkeys(found.lower() for found in command.findall(text)))
        yield name, command.sub("", text)


def explain(left_out: Iterable[str], version: Version | None) -> Iterator[str]:
    """One line for each command that was left out."""
    pool = "unknown (site profile: condor_version)" if version is None else ".".join(map(str, version))
    for name in left_out:
        since = ".".join(map(str, SINCE[name]))
        yield f"left out: {name}, known since HTCondor {since}; this pool's release is {pool}"
