"""Site profiles: how one place's HTCondor wants its jobs. Values only; the text is in the templates."""

import os
import string
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from dagmaker import templates
from worker.errors import SpecError


@dataclass(frozen=True)
class Site:
    """A profile of templates/htcondor/sites/.

    Attributes
    ----------
    transfer : bool
        Jobs do not see the run directory: files travel with them.
    log_dir : str or None
        Folder for event logs on the submit host; None: in the run directory.
    max_idle : int or None
        Late materialisation: idle processes of one node at a time.
    max_memory_mb, max_starts : int
        Limits of the growth of memory after out-of-memory holds.
    max_nodes : mapping of task to int
        Nodes of a kind at the same time.
    commands, dagman : mapping
        More submit commands and DAGMan settings, as they are.
    """

    name: str
    transfer: bool = False
    log_dir: str | None = None
    accounting_group: str | None = None
    max_idle: int | None = None
    max_memory_mb: int = 8000
    max_starts: int = 5
    max_nodes: Mapping[str, int] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)
    dagman: Mapping[str, str] = field(default_factory=dict)


def _check(path: Path, raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise SpecError(f"{path}: a site profile is a list of `key: value` lines")
    known = {item.name: item for item in fields(Site) if item.name != "name"}
    unknown = sorted(str(key) for key in raw if key not in known)
    if unknown:
        raise SpecError(f"{path}: unknown key {', '.join(unknown)}; known are {', '.join(known)}")
    for key in ("max_nodes", "commands", "dagman"):
        if not isinstance(raw.get(key, {}), dict):
            raise SpecError(f"{path}: {key} must be a mapping such as {{name: value}}, not {raw[key]!r}")
    for key in ("max_idle", "max_memory_mb", "max_starts"):
        value = raw.get(key, 1)
        if key == "max_idle" and value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise SpecError(f"{path}: {key} must be a whole number of at least 1, not {value!r}")
    if str(raw.get("dagman", {}).get("DAGMAN_MAX_JOBS_IDLE", "")) == "0":
        raise SpecError(f"{path}: DAGMAN_MAX_JOBS_IDLE = 0 slows submission to one node per second; leave it out")
    return raw


def load(name: str) -> Site:
    """Read the profile of a site.

    Raises
    ------
    SpecError
        There is no such profile, or it is not one; the text names the file and the cure.
    """
    import yaml

    folder = templates.folder() / "htcondor" / "sites"
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yaml")))
        raise SpecError(f"site: {name}: there is no profile {path}; known sites are {known}")
    try:
        raw = _check(path, yaml.safe_load(path.read_text(encoding="utf-8")))
    except yaml.YAMLError as error:
        raise SpecError(f"{path}: not YAML: {error}") from error
    values = dict(raw)
    if values.get("log_dir"):
        try:
            values["log_dir"] = string.Template(values["log_dir"]).substitute(os.environ)
        except (KeyError, ValueError) as error:
            raise SpecError(f"{path}: log_dir: {values['log_dir']}: no environment variable {error}") from error
    return Site(name=name, **values)
