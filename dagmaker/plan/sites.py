"""Site profiles: how one place's HTCondor wants its jobs. Values only; the text is in the templates."""

import getpass
import os
import string
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from dagmaker.plan import templates
from worker.base.errors import SpecError
from worker.base.reading import file_bytes
from worker.spec import specfile
from worker.spec.sections import Spec
from worker.spec.task_resources import TaskResources

RUN = "${RUN}"  # in numba_cache: the run directory, which a profile cannot know


@dataclass(frozen=True)
class Site:
    """A profile of templates/htcondor/sites/.

    Attributes
    ----------
    transfer : bool
        Jobs do not see the run directory: files travel with them, and what reads the whole of it runs on the
        submit host.
    python : str or None
        Interpreter in a slot, with dagmaker installed; None: the one that ran `dagmaker build`.
    container_image : str or None
        Image in which jobs in slots run.
    environment : mapping
        More variables for jobs in slots.
    numba_cache : str
        Folder of compiled code that jobs share; `RUN` in it is the run directory. Not used where files travel.
    log_dir : str or None
        Folder for event logs on the submit host; None: in the run directory.
    condor_version : str or None
        Release of the pool, such as 24.0.1; None: that of the tools on PATH.
    max_idle : int or None
        Late materialisation: idle processes of one node at a time.
    max_memory_mb, max_starts : int
        Limits of the growth of memory after out-of-memory holds.
    hold_failed_hours : float or None
        How long a process that failed for good is kept on hold while the others of its node go on; None: not at all.
    max_nodes : mapping of task to int
        Nodes of a kind at the same time.
    tasks : mapping of task to `worker.spec.task_resources.TaskResources`
        What processes of a kind ask for here; the same table of a spec goes before it.
    commands, local_commands, dagman : mapping
        More submit commands of jobs in slots and of those on the submit host, and DAGMan settings, as they are.
    """

    name: str
    transfer: bool = False
    python: str | None = None
    container_image: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    numba_cache: str = f"{RUN}/.numba"
    log_dir: str | None = None
    condor_version: str | None = None
    accounting_group: str | None = None
    max_idle: int | None = None
    max_memory_mb: int = 8000
    max_starts: int = 5
    hold_failed_hours: float | None = None
    max_nodes: Mapping[str, int] = field(default_factory=dict)
    tasks: Mapping[str, TaskResources] = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)
    local_commands: Mapping[str, str] = field(default_factory=dict)
    dagman: Mapping[str, str] = field(default_factory=dict)


_COUNTS = ("max_idle", "max_memory_mb", "max_starts")
_MAPPINGS = ("environment", "max_nodes", "tasks", "commands", "local_commands", "dagman")
_TEXTS = ("name", "python", "container_image", "numba_cache", "log_dir", "condor_version", "accounting_group")
_EXPANDED = ("python", "container_image", "numba_cache", "log_dir", "accounting_group")
_OPTIONAL = {item.name for item in fields(Site) if "None" in str(item.type)}


def faults(raw: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a profile, one sentence each."""
    for key, value in raw.items():
        if value is None and key in _OPTIONAL:
            continue
        if key == "transfer" and not isinstance(value, bool):
            yield f"{key} must be true or false, not {value!r}"
        if key in _MAPPINGS and not isinstance(value, dict):
            yield f"{key} must be a mapping such as {{name: value}}, not {value!r}"
        if (
            key == "environment"
            and isinstance(value, dict)
            and any(isinstance(item, dict | list) for item in value.values())
        ):
            yield f"{key} must hold texts, not {value!r:.200}"
        if key in _TEXTS and not (isinstance(value, str) and value):
            yield f"{key} must be a text, not {value!r}; put it in quotes"
        if key in _COUNTS and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            yield f"{key} must be a whole number of at least 1, not {value!r}"
        if key == "hold_failed_hours" and (not isinstance(value, int | float) or isinstance(value, bool) or value <= 0):
            yield f"{key} must be a number of hours above 0, or null, not {value!r}"


def _check(path: Path, raw: Any) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise SpecError(f"{path}: a site profile is a list of `key: value` lines")
    known = {item.name: item for item in fields(Site) if item.name != "name"}
    unknown = sorted(str(key) for key in raw if key not in known)
    if unknown:
        raise SpecError(f"{path}: unknown key {', '.join(unknown)}; known are {', '.join(known)}")
    for fault in faults(raw):
        raise SpecError(f"{path}: {fault}")
    if str(raw.get("dagman", {}).get("DAGMAN_MAX_JOBS_IDLE", "")) == "0":
        raise SpecError(f"{path}: DAGMAN_MAX_JOBS_IDLE = 0 slows submission to one node per second; leave it out")
    if raw.get("transfer") and not raw.get("python"):
        raise SpecError(
            f"{path}: transfer: true needs python: the interpreter in the slots (or in container_image) that has "
            "dagmaker installed; the one that runs here is not there"
        )
    return raw


def charged(site: Site, spec: Spec) -> Site:
    """The site with the accounting group of the spec, if that names one."""
    return replace(site, accounting_group=spec.resources.accounting_group or site.accounting_group)


def _person() -> dict[str, str]:
    """USER and HOME, as far as they can be known: in a container there may be no entry in /etc/passwd."""
    found = {"USER": str(os.getuid())}
    with suppress(KeyError, OSError):
        found["USER"] = getpass.getuser()
    with suppress(RuntimeError):
        found["HOME"] = str(Path.home())
    return found


def _expand(path: Path, key: str, text: str) -> str:
    """Replace ${NAME} by the environment's value; RUN stays for later."""
    names = {**_person(), **os.environ, "RUN": RUN}
    try:
        return string.Template(text).substitute(names)
    except (KeyError, ValueError) as error:
        raise SpecError(f"{path}: {key}: {text}: no environment variable {error}") from error


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
        raw = _check(path, yaml.safe_load(file_bytes(path).decode()))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise SpecError(f"{path}: not YAML: {error}") from error
    values = dict(raw)
    for key in _EXPANDED:
        if values.get(key):
            values[key] = _expand(path, key, values[key])
    variables = values.get("environment", {})
    values["environment"] = {str(key): _expand(path, f"environment.{key}", str(variables[key])) for key in variables}
    try:
        values["tasks"] = specfile.task_table(values.get("tasks") or {})
    except SpecError as error:
        raise SpecError(f"{path}: {error}") from None
    return Site(name=name, **values)
